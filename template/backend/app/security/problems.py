"""Every error answer is `application/problem+json` (RFC 9457) and tells nothing of the inside.

Code raises `Problem`; everything else that can go wrong is translated here.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
import psycopg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.repeat import raise_again

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_DETAILS = {
    400: "The request could not be read.",
    404: "There is nothing at this address.",
    405: "This address does not answer this method; the Allow header names those it does.",
}

log = structlog.get_logger(__name__)


class Problem(Exception):  # noqa: N818  # RFC 9457's own word for it
    """An error to answer with.

    Args:
        status: The HTTP status.
        title: What kind of problem it is; the same for every occurrence.
        detail: What went wrong this time and what to do about it. Never holds personal data.
        type: A short slug that clients may compare, such as `rate-limited`; it is sent as
            `urn:problem:rate-limited`. The default means that the status says it all.
        headers: Further response headers.
        **extensions: Further members of the body.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        type: str = "about:blank",  # noqa: A002  # the name of the member in RFC 9457
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.type = type if ":" in type else f"urn:problem:{type}"
        self.headers = headers
        self.extensions = extensions

    def response(self, scope: Scope) -> Response:
        """The answer to the request or the WebSocket handshake of this scope."""
        body = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "request_id": scope.get("state", {}).get("request_id"),
            **self.extensions,
        }
        return Response(
            msgspec.json.encode(body),
            status_code=self.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the problem from a middleware, where no exception handler is in reach."""
        if scope["type"] == "websocket" and "websocket.http.response" not in (
            scope.get("extensions") or {}
        ):
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self.response(scope)(scope, receive, send)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
"""What a problem looks like, as JSON Schema."""


def unavailable(detail: str) -> Problem:
    """503 with Retry-After, for a part that is down and will come back."""
    return Problem(
        503,
        "Service unavailable",
        detail,
        type="unavailable",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def unexpected() -> Problem:
    """500: the log knows more, and the request id finds it there."""
    return Problem(
        500,
        "Internal server error",
        "Something failed on our side. Quote the request id when you report it.",
        type="internal",
    )


def install(app: FastAPI) -> None:
    """Make every error of this app a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _client_left)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeoutError, _database)
    app.add_exception_handler(psycopg.Error, _database)


class ErrorBoundary:
    """Turn what no handler knows into a 500, inside the middlewares that add headers.

    Starlette would do it outside of all of them: no security headers, no CORS, no request id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def noting_the_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, noting_the_start)
        except Exception:
            if started:
                # Half an answer is on its way: the server must cut the connection, or the client
                # would take it for whole. It also logs the stack.
                raise
            log.exception("unexpected error")
            await unexpected().answer(scope, receive, send)


async def _problem(connection: HTTPConnection, error: Exception) -> Response:
    if not isinstance(error, Problem):
        _not_ours(error)
    return error.response(connection.scope)


async def _http_exception(connection: HTTPConnection, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        _not_ours(error)
    title = HTTPStatus(error.status_code).phrase
    detail = str(error.detail)
    if detail == title:
        detail = _DETAILS.get(error.status_code, f"{title}.")
    problem = Problem(error.status_code, title, detail, headers=error.headers)
    return problem.response(connection.scope)


async def _invalid(connection: HTTPConnection, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        _not_ours(error)
    # The rejected input is not sent back: it may be personal, or a secret in the wrong field.
    errors = [
        {"field": _field(item["type"], item["loc"]), "message": item["msg"]}
        for item in error.errors()
    ]
    return Problem(
        422,
        "Invalid request",
        "Some fields of the request are not valid; `errors` names each.",
        type="invalid-request",
        errors=errors,
    ).response(connection.scope)


def _field(kind: str, location: tuple[str | int, ...]) -> str:
    if kind == "json_invalid" or len(location) == 1:
        return str(location[0])
    return ".".join(str(part) for part in location[1:])


async def _client_left(connection: HTTPConnection, _: Exception) -> Response:
    problem = Problem(400, "Incomplete request", "The connection ended before the body did.")
    return problem.response(connection.scope)


async def _database(connection: HTTPConnection, error: Exception) -> Response:
    raise_again(connection, error)
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None)
    # A constraint or a policy may speak of rows that the caller cannot see: say neither which
    # constraint nor which value.
    if state in {"23503", "23505", "23P01"}:
        problem = Problem(
            409,
            "Conflict",
            "The request conflicts with existing data.",
            type="conflict",
        )
    elif state == "42501":
        log.warning("the database refused access", exc_info=error)
        problem = Problem(403, "Forbidden", "You may not do this.", type="forbidden")
    elif state == "25006":
        problem = unavailable("This can only be read for a moment. Try again then.")
    elif isinstance(error, PoolTimeoutError):
        log.warning("database.pool_exhausted", reason=str(error))
        problem = unavailable("More is asked at once than can be answered. Try again in a moment.")
    elif isinstance(error, OperationalError | InterfaceError) or isinstance(
        cause, psycopg.OperationalError | psycopg.InterfaceError
    ):
        log.error("database unavailable", error=type(cause).__name__, sqlstate=state)
        problem = unavailable("The database cannot answer now. Try again in a moment.")
    else:
        log.error("unexpected database error", exc_info=error)
        problem = unexpected()
    return problem.response(connection.scope)


def _not_ours(error: Exception) -> NoReturn:
    """Starlette's types allow any exception in a handler; its lookup does not."""
    raise error
