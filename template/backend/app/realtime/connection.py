"""One WebSocket, from its ticket to its end.

Whoever is refused is accepted first and closed then, with a code that says why: a browser shows its
page nothing but 1006 when a server refuses the handshake.

| code | meaning | what a client does |
| --- | --- | --- |
| 1008, 1003, 1009 | it sent something that is not understood | is corrected |
| 1012 | the server restarts | reconnects |
| 1013 | it is too slow, or something is down | reconnects, with backoff and jitter |
| 4400 | `last_event_id` is no event's id | reconnects without one |
| 4401 | the ticket or the lease is no longer good | signs in again if need be, reconnects |
| 4403 | no longer allowed here | stops |
| 4429 | too many sockets of the same person | closes some |
"""

import asyncio
import random
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import psycopg
import structlog
from fastapi import WebSocket, WebSocketDisconnect
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Message

from app.realtime import tickets
from app.realtime.access import CheckAccess, Member
from app.realtime.events import BrokerUnavailable, Event, Position, encode
from app.realtime.hub import UNAVAILABLE, Close, Hub, Subscriber

log = structlog.get_logger()

SUBPROTOCOL = "realtime.v1"
TICKET_SUBPROTOCOL = "ticket."
"""A browser can send its ticket only in the list of subprotocols, or in the URL, which gets logged.
It offers `realtime.v1` as well, because it insists on one of its offers being chosen."""

RECHECK = (2.0, 3.0)
"""Seconds between two checks that the holder is still a member, at random, so that the sockets of
a restarted server do not check all at once."""

CHECK_TIMEOUT = 5.0
UNCHECKED = 10.0
"""Seconds for which a socket outlives a database that cannot be asked."""

JOIN_TIMEOUT = 5.0
CLOSE_TIMEOUT = 5.0
MAX_MESSAGE_CHARACTERS = 2048
MAX_TICKET_CHARACTERS = 128
RENEWALS = 5
RENEWALS_SECONDS = 10.0

FAULT: Final = Close(1011, "internal error")
NOT_UNDERSTOOD: Final = Close(1008, 'send {"type": "renew", "ticket": "…"} or nothing')
NOT_TEXT: Final = Close(1003, "send text")
TOO_BIG: Final = Close(1009, "message too big")
TOO_OFTEN: Final = Close(1008, "too many messages")
BAD_EVENT_ID: Final = Close(4400, "last_event_id is no event id, such as 1700000000000-0")
NO_TICKET: Final = Close(4401, "ticket missing, unknown, used or expired")
LEASE_ENDED: Final = Close(4401, "lease ended")
BAD_ORIGIN: Final = Close(4403, "origin not allowed")
NOT_ALLOWED: Final = Close(4403, "not a member who may connect")
SOMEONE_ELSE: Final = Close(4403, "the ticket is someone else's")

_DATABASE_DOWN = (SQLAlchemyError, psycopg.Error, OSError)


class Refused(Exception):  # noqa: N818  # an outcome, not a fault
    """The socket has to close."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


class Renew(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may say: a fresh ticket of the same person extends the lease."""

    type: Literal["renew"]
    ticket: str


class _Lease:
    """How long a socket may live, and on what grounds."""

    def __init__(self, redeemed: tickets.Redeemed, member: Member) -> None:
        self.claims = redeemed.claims
        self.ends_at = redeemed.token_expires_at
        self.member = member

    def left(self) -> float:
        """Seconds until it ends."""
        return (self.ends_at - datetime.now(UTC)).total_seconds()

    def renew(self, other: "_Lease") -> None:
        if other.member != self.member:
            raise Refused(SOMEONE_ELSE)
        if other.ends_at > self.ends_at:
            self.claims, self.ends_at = other.claims, other.ends_at


async def serve(websocket: WebSocket) -> None:
    """Answer one WebSocket until it ends.

    Needs in `app.state`: `hub`, `engine`, `settings` (its allowed_origins) and `check_access`.
    """
    with suppress(WebSocketDisconnect, OSError):  # the client went away: nobody is left to tell
        close = await _serve(websocket)
        if close is not None:
            # A client that reads nothing cannot be told either: the transport is closed anyway.
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await websocket.close(*close)


async def _serve(websocket: WebSocket) -> Close | None:
    ticket = _ticket(websocket)
    last_event_id = websocket.query_params.get("last_event_id")
    subprotocol = _subprotocol(websocket)
    # The server logs the URL that it accepts, and no ticket belongs into a log.
    websocket.scope["query_string"] = b""
    try:
        _check_origin(websocket)
        after = _position(last_event_id)
        lease = await _lease(websocket, ticket)
    except Refused as refused:
        await websocket.accept(subprotocol)
        return refused.close
    await websocket.accept(subprotocol)
    hub: Hub = websocket.app.state.hub
    with hub.subscribe(lease.member.tenant_id, lease.member, after) as subscriber:
        return await _Connection(websocket, subscriber, lease).run()


def _subprotocol(websocket: WebSocket) -> str | None:
    offered: list[str] = websocket.scope["subprotocols"]
    if SUBPROTOCOL in offered:
        return SUBPROTOCOL
    return offered[0] if offered and offered[0].startswith(TICKET_SUBPROTOCOL) else None


def _ticket(websocket: WebSocket) -> str:
    for offered in websocket.scope["subprotocols"]:
        if offered.startswith(TICKET_SUBPROTOCOL):
            return str(offered.removeprefix(TICKET_SUBPROTOCOL))
    return websocket.query_params.get("ticket", "")


def _check_origin(websocket: WebSocket) -> None:
    """Only browsers send an origin, and only they carry other sites' pages."""
    origin = websocket.headers.get("origin")
    if origin is None or origin in websocket.app.state.settings.allowed_origins:
        return
    with suppress(ValueError):
        if urlsplit(origin).netloc.lower() == websocket.headers.get("host", "").lower() != "":
            return
    raise Refused(BAD_ORIGIN)


def _position(last_event_id: str | None) -> Position | None:
    if not last_event_id:
        return None
    try:
        return Position.parse(last_event_id)
    except ValueError as error:
        raise Refused(BAD_EVENT_ID) from error


async def _lease(websocket: WebSocket, ticket: str) -> _Lease:
    """The lease that a ticket gives, which spends the ticket."""
    if not 0 < len(ticket) <= MAX_TICKET_CHARACTERS:
        raise Refused(NO_TICKET)
    check: CheckAccess = websocket.app.state.check_access
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            redeemed = await tickets.redeem(websocket.app.state.engine, ticket)
            if redeemed is None:
                raise Refused(NO_TICKET)
            member = await check(redeemed.claims)
    except _DATABASE_DOWN as error:
        log.warning("realtime.ticket_not_redeemed", error=type(error).__name__)
        raise Refused(UNAVAILABLE) from error
    if member is None:
        raise Refused(NOT_ALLOWED)
    lease = _Lease(redeemed, member)
    if lease.left() <= 0:
        raise Refused(LEASE_ENDED)
    return lease


class _Connection:
    """Sends, receives and watches, until one of them says that it is over."""

    def __init__(self, websocket: WebSocket, subscriber: Subscriber, lease: _Lease) -> None:
        self._websocket = websocket
        self._subscriber = subscriber
        self._lease = lease
        self._renewals: deque[float] = deque(maxlen=RENEWALS)

    async def run(self) -> Close | None:
        """The reason to close with, or None when the client has left."""
        ended = self._subscriber.ended
        if ended.done():
            return ended.result()
        tasks: list[asyncio.Task[None]] = [
            asyncio.create_task(self._send()),
            asyncio.create_task(self._receive()),
            asyncio.create_task(self._watch()),
        ]
        try:
            running: list[asyncio.Future[Any]] = [ended, *tasks]
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                self._subscriber.end(outcome.close)
            elif isinstance(outcome, Exception) and not _went_away(outcome):
                log.error("realtime.socket_failed", exc_info=outcome)
                self._subscriber.end(FAULT)
        return ended.result() if ended.done() else None

    async def _send(self) -> None:
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                position, resumed, first = await self._subscriber.start()
            await self._tell("hello", resumed=resumed, event_id=str(position))
            for text in first:
                await self._websocket.send_text(text)
            async for text in self._subscriber.messages():
                await self._websocket.send_text(text)
        except (BrokerUnavailable, TimeoutError) as error:
            raise Refused(UNAVAILABLE) from error

    async def _tell(self, type_: str, *, event_id: str | None = None, **data: object) -> None:
        data["lease_expires_at"] = self._lease.ends_at
        await self._websocket.send_text(encode(Event(event_id, type_, data)).decode())

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            renew = self._understood(message)
            self._lease.renew(await _lease(self._websocket, renew.ticket))
            await self._tell("renewed")

    def _understood(self, message: Message) -> Renew:
        text: str | None = message.get("text")
        if text is None:
            raise Refused(NOT_TEXT)
        if len(text) > MAX_MESSAGE_CHARACTERS:
            raise Refused(TOO_BIG)
        now = asyncio.get_running_loop().time()
        if len(self._renewals) == RENEWALS and now - self._renewals[0] < RENEWALS_SECONDS:
            raise Refused(TOO_OFTEN)
        self._renewals.append(now)
        try:
            return msgspec.json.decode(text, type=Renew)
        except msgspec.DecodeError as error:
            raise Refused(NOT_UNDERSTOOD) from error

    async def _watch(self) -> None:
        """End the socket when its lease or its holder's membership has ended."""
        check: CheckAccess = self._websocket.app.state.check_access
        clock = asyncio.get_running_loop().time
        checked_at = clock()
        while True:
            pause = random.uniform(*RECHECK)  # noqa: S311  # no secret
            await asyncio.sleep(max(0.0, min(pause, self._lease.left())))
            if self._lease.left() <= 0:
                raise Refused(LEASE_ENDED)
            try:
                async with asyncio.timeout(CHECK_TIMEOUT):
                    member = await check(self._lease.claims)
            except _DATABASE_DOWN as error:
                if clock() - checked_at > UNCHECKED:
                    raise Refused(UNAVAILABLE) from error
                continue
            if member != self._lease.member:
                raise Refused(NOT_ALLOWED)
            checked_at = clock()


def _went_away(outcome: BaseException) -> bool:
    return isinstance(outcome, WebSocketDisconnect | OSError)
