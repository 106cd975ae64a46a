"""Events through Valkey or Redis: a capped stream per tenant to replay, publish/subscribe to hear.

Stream and channel of a tenant have the same name, so this also works on a cluster.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import structlog
from pydantic import BaseModel
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app.realtime.events import (
    KEPT_EVENTS,
    KEPT_SECONDS,
    MAX_EVENT_BYTES,
    START,
    BrokerUnavailable,
    Channel,
    Event,
    Heard,
    Joined,
    Position,
    Replay,
    encode,
)

log = structlog.get_logger()

# One script, so that the order of the stream is the order in which everybody hears it.
_PUBLISH = f"""
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', {KEPT_EVENTS}, '*', 'event', ARGV[1])
redis.call('EXPIRE', KEYS[1], {KEPT_SECONDS})
redis.call('PUBLISH', KEYS[1], id .. ' ' .. ARGV[1])
return id
"""
_FIELD = b"event"
_MAX_CONNECTIONS = 16
_PATIENCE = 2.0
"""Seconds for one operation, connecting included."""

_SILENCE = 5.0
"""Seconds without a word from the server before it is asked, and again until it counts as dead."""


class _Body(msgspec.Struct):
    """What the stream keeps of an event; its id is the stream's."""

    type: str
    data: dict[str, object]


_decode_body = msgspec.json.Decoder(_Body).decode


class Settings(BaseModel):
    """Where the channel is."""

    redis_url: str


def create_channel(settings: Settings) -> Channel:
    """The channel of this process."""
    return RedisChannel(settings.redis_url)


class RedisChannel:
    """See `Channel`.

    Args:
        redis_url: `redis://`, `rediss://` or `unix://`.
        prefix: what the names of streams and channels begin with.
    """

    def __init__(self, redis_url: str, prefix: str = "realtime") -> None:
        self._prefix = prefix
        # One retry, at once: a pooled connection may have outlived its server. Not more, because
        # a job waits for it. The time limits are ours, around each operation: the client's own use
        # asyncio.wait_for, which in Python 3.11 can swallow a cancellation.
        once = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=_MAX_CONNECTIONS,
            timeout=None,
            socket_timeout=None,
            retry=once,
        )
        self._redis = Redis.from_pool(pool)
        self._script = self._redis.register_script(_PUBLISH)
        self._redis_url = redis_url
        self._dropped = 0

    async def publish(self, tenant: UUID, type_: str, data: Mapping[str, object], /) -> None:
        """See `Channel.publish`."""
        body = encode({"type": type_, "data": data})
        if len(body) > MAX_EVENT_BYTES:
            log.error("realtime.event_too_big", event_type=type_, bytes=len(body))
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._script(keys=[self._name(tenant)], args=[body])
        except (RedisError, OSError) as error:
            self._dropped += 1
            if self._dropped == 1:
                log.warning("realtime.publish_failed", error=_words(error))
        else:
            if self._dropped:
                log.info("realtime.publish_recovered", dropped=self._dropped)
                self._dropped = 0

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["RedisListener"]:
        """See `Channel.listen`."""
        # No retries of its own: a connection that came back unnoticed would hide a gap.
        connection = Redis.from_url(
            self._redis_url,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        pubsub = connection.pubsub()
        try:
            try:
                async with asyncio.timeout(_PATIENCE):
                    # While it loads its data, a server accepts subscriptions but cannot replay.
                    await connection.ping()
                    # Reading needs a subscription: one that is there from the beginning.
                    await pubsub.subscribe(self._prefix)
            except (RedisError, OSError) as error:
                raise BrokerUnavailable(_words(error)) from error
            yield RedisListener(pubsub, self._prefix)
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            await connection.aclose()

    async def replay(self, tenant: UUID, after: Position | None) -> Replay:
        """See `Channel.replay`."""
        name = self._name(tenant)
        try:
            async with asyncio.timeout(_PATIENCE):
                if after is not None:
                    entries: Any = await self._redis.xrange(name, min=str(after))
                    replay = _replayed(entries, after)
                    if replay is not None:
                        return replay
                newest: Any = await self._redis.xrevrange(name, count=1)
        except (RedisError, OSError) as error:
            raise BrokerUnavailable(_words(error)) from error
        last = Position.parse(newest[0][0].decode()) if newest else START
        return Replay((), last, complete=after is None)

    async def close(self) -> None:
        """See `Channel.close`."""
        await self._redis.aclose()

    def _name(self, tenant: UUID) -> str:
        return f"{self._prefix}:{tenant}"


class RedisListener:
    """See `Listener`."""

    def __init__(self, pubsub: PubSub, prefix: str) -> None:
        self._pubsub = pubsub
        self._prefix = prefix

    async def join(self, tenants: Collection[UUID]) -> None:
        """See `Listener.join`."""
        await self._tell(self._pubsub.subscribe, tenants)

    async def leave(self, tenants: Collection[UUID]) -> None:
        """See `Listener.leave`."""
        await self._tell(self._pubsub.unsubscribe, tenants)

    async def _tell(self, command: Any, tenants: Collection[UUID]) -> None:
        try:
            await command(*(f"{self._prefix}:{tenant}" for tenant in tenants))
        except (RedisError, OSError) as error:
            raise BrokerUnavailable(_words(error)) from error

    async def __aiter__(self) -> AsyncIterator[Joined | Heard]:
        """See `Listener.__aiter__`."""
        asked = False
        while True:
            try:
                message = await self._pubsub.get_message(timeout=_SILENCE)
                if message is None:
                    if asked:
                        raise BrokerUnavailable(f"silent for {2 * _SILENCE:g} seconds")
                    await self._pubsub.ping()
            except (RedisError, OSError) as error:
                raise BrokerUnavailable(_words(error)) from error
            asked = message is None
            heard = None if message is None else self._understood(message)
            if heard is not None:
                yield heard

    def _understood(self, message: dict[str, Any]) -> Joined | Heard | None:
        if message["type"] not in {"subscribe", "message"}:
            return None
        name = message["channel"].decode()
        if name == self._prefix:
            return None
        tenant = UUID(name.removeprefix(f"{self._prefix}:"))
        if message["type"] == "subscribe":
            return Joined(tenant)
        event_id, _, body = message["data"].partition(b" ")
        return Heard(tenant, _event(event_id, body))


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _event(event_id: bytes, body: bytes) -> Event:
    decoded = _decode_body(body)
    return Event(event_id.decode(), decoded.type, decoded.data)


def _replayed(entries: list[tuple[bytes, dict[bytes, bytes]]], after: Position) -> Replay | None:
    """The events after `after`, or None when some of them may be gone.

    As long as the entry at `after` is there, so is everything after it. From the start, everything
    is there as long as nothing had to be trimmed.
    """
    if after == START:
        complete = len(entries) < KEPT_EVENTS
    else:
        complete = bool(entries) and entries[0][0].decode() == str(after)
        entries = entries[1:]
    if not complete:
        return None
    events = [_event(event_id, fields[_FIELD]) for event_id, fields in entries]
    last = Position.parse(entries[-1][0].decode()) if entries else after
    return Replay(events, last, complete=True)
