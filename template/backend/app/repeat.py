"""A request that only reads is answered anew where the database could not, for what passes.

Another transaction was in the way, or a replica that followed too late. Whatever the request did
was rolled back, and by the meaning of GET it may be asked twice. Nothing else is: an endpoint that
writes may have had an effect elsewhere, and its caller is told to come again.
"""

import asyncio
import random

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.database import is_conflict, is_connection_lost, is_read_only

ATTEMPTS = 3

_PAUSE = 0.02
_READING = frozenset({"GET", "HEAD"})
_REPEATED = Counter("requests_repeated_total", "Answered anew, by what was in the way.", ["reason"])

log = structlog.get_logger(__name__)


class Again(Exception):  # noqa: N818  # an outcome, not a fault
    """The request is to be answered anew."""


class Repeat:
    """The middleware next to the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] not in _READING:
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        before = dict(scope)
        has_read = False

        async def noting() -> Message:
            nonlocal has_read
            has_read = True
            return await receive()

        for attempt in range(ATTEMPTS):
            state["attempt"] = attempt
            try:
                await self.app(scope, noting, send)
            except Again:
                if has_read:
                    raise
                # Whoever looks at the scope afterwards must find what the last attempt left there.
                scope.clear()
                scope.update(before)
                await asyncio.sleep(random.uniform(0.5, 1) * _PAUSE * 2**attempt)  # noqa: S311
            else:
                return


def reads_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a request may be answered by a replica: it only reads, and did not fail there."""
    scope = connection.scope
    return scope.get("method") in _READING and scope["state"].get("attempt") == 0


def note_replica(connection: HTTPConnection) -> None:
    """Remember that what is read now comes from a replica."""
    connection.scope["state"]["on_replica"] = True


def raise_again(connection: HTTPConnection, error: BaseException) -> None:
    """Have the request answered anew, where that may help.

    Raises:
        Again: it does.
    """
    state = connection.scope.get("state", {})
    attempt = state.get("attempt")
    on_replica = state.pop("on_replica", False)
    if attempt is None or attempt == ATTEMPTS - 1:
        return
    if on_replica and is_read_only(error):
        reason = "writes"
    elif is_conflict(error):
        reason = "conflict"
    elif on_replica and (is_connection_lost(error) or isinstance(error, PoolTimeoutError)):
        reason = "replica"
    else:
        return
    _REPEATED.labels(reason).inc()
    log.info("request.repeated", reason=reason)
    raise Again from error
