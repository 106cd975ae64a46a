"""A request that only reads is answered anew where the database could not, for what passes.

Another transaction was in the way, or a replica that followed too late. Whatever the request did
was rolled back, and by the meaning of GET it may be asked twice. Nothing else is: an endpoint that
writes may have had an effect elsewhere, and its caller is told to come again.
"""

import asyncio
import random
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
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


@dataclass
class _Attempt:
    """One answering of a request that only reads.

    Attributes:
        is_first: Whether there was none before.
        is_last: Whether there will be none after it, whatever comes.
        on_replica: Whether what it reads now comes from a replica.
    """

    is_first: bool
    is_last: bool
    on_replica: bool = False


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

        async def once() -> Message:
            # What was read of the request is not there for another attempt.
            state["attempt"].is_last = True
            return await receive()

        for attempt in range(ATTEMPTS):
            state["attempt"] = _Attempt(attempt == 0, attempt == ATTEMPTS - 1)
            try:
                await self.app(scope, once, send)
            except Again:
                # Whoever looks at the scope afterwards must find what the last attempt left there.
                scope.clear()
                scope.update(before)
                await asyncio.sleep(random.uniform(0.5, 1) * _PAUSE * 2**attempt)  # noqa: S311
            else:
                return


def reads_elsewhere(connection: HTTPConnection) -> bool:
    """Whether a request may be answered by a replica: it only reads, and did not fail there."""
    attempt = _attempt(connection)
    return attempt is not None and attempt.is_first


def note_replica(connection: HTTPConnection) -> None:
    """Remember that what is read now comes from a replica."""
    attempt = _attempt(connection)
    if attempt is not None:
        attempt.on_replica = True


def raise_again(connection: HTTPConnection, error: BaseException) -> None:
    """Have the request answered anew, where that may help.

    Raises:
        Again: it does.
    """
    attempt = _attempt(connection)
    if attempt is None or attempt.is_last:
        return
    if is_conflict(error):
        reason = "conflict"
    elif attempt.on_replica and is_read_only(error):
        reason = "writes"
    elif attempt.on_replica and is_connection_lost(error):
        reason = "replica"
    else:
        return
    _REPEATED.labels(reason).inc()
    log.info("request.repeated", reason=reason)
    raise Again from error


def _attempt(connection: HTTPConnection) -> _Attempt | None:
    attempt: _Attempt | None = connection.scope.get("state", {}).get("attempt")
    return attempt
