"""One line in the log for each request, and what is known about it in every line before."""

import re
import time
from collections.abc import Collection
from random import getrandbits

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})

log = structlog.get_logger(__name__)


def bind_actor(
    connection: HTTPConnection, *, actor_id: object, tenant_id: object | None = None
) -> None:
    """Name who is asking, in the request's line and in every later line of the request.

    The ids are ours, not the provider's, so that a log does not identify a person by itself.
    """
    ids = {"actor_id": str(actor_id)}
    if tenant_id is not None:
        ids["tenant_id"] = str(tenant_id)
    connection.scope.setdefault("state", {}).update(ids)
    bind_contextvars(**ids)


def bind_key(connection: HTTPConnection, key_id: object) -> None:
    """Name the API key that was presented, in the same lines. An answer of 401 means: in vain."""
    connection.scope.setdefault("state", {})["api_key_id"] = str(key_id)
    bind_contextvars(api_key_id=str(key_id))


def route_template(scope: Scope) -> str | None:
    """The path as the endpoint declares it, such as `/contacts/{id}`; None when none matched.

    Unlike the path it holds no ids, and there are only so many of them.
    """
    # A route knows its path without the prefixes of the routers that include it; where FastAPI
    # keeps the whole path differs between plain and included routes.
    included = scope.get("fastapi", {}).get("effective_route_context")
    for holder in (included, getattr(included, "starlette_route", None), scope.get("route")):
        path = getattr(holder, "path", None)
        if path:
            return str(path)
    return None


class RequestLog:
    """Give each request an id, and write one line when it is over.

    The id is the client's `X-Request-ID` when that is harmless, so that it can be followed through
    several services; it is returned under the same name.

    Args:
        app: The application.
        quiet: Paths whose lines are only for debugging, such as probes.
    """

    def __init__(self, app: ASGIApp, quiet: Collection[str] = ()) -> None:
        self.app = app
        self.quiet = frozenset(quiet)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        header = (b"x-request-id", request_id.encode())
        status: int | None = None

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = message.get("status", 101)
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self.app(scope, receive, with_id)
        finally:
            write = log.debug if scope["path"] in self.quiet else log.info
            write(
                "request",
                method=scope.get("method", "WEBSOCKET"),
                route=route_template(scope),
                # None: the client went away, or the server cut the connection.
                status=status,
                duration_ms=round((time.perf_counter() - began) * 1000, 2),
                # Contexts of other tasks and threads do not reach this one; the state does.
                actor_id=state.get("actor_id"),
                tenant_id=state.get("tenant_id"),
                **({"api_key_id": state["api_key_id"]} if "api_key_id" in state else {}),
            )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    # Unique, not secret: uuid4 would ask the kernel for randomness each time.
    return f"{getrandbits(128):032x}"
