"""The sockets of one API process, and the one broker connection that feeds them.

The order is always: hear the tenant first, then replay what came before, then pass on what is heard
and was not replayed. The same happens after each loss of the broker, so a socket sees every event
once and in order, or is told that it cannot.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, Self
from uuid import UUID

import structlog

from app.realtime.events import (
    BrokerUnavailable,
    Channel,
    Event,
    Heard,
    Joined,
    Listener,
    Position,
    encode,
)

log = structlog.get_logger()

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
"""Seconds between attempts to reach the broker: doubled each time, each a random part of it."""

_BURST = 64
"""After so many events at one go the sockets get a turn, or their queues would fill up."""


class Close(NamedTuple):
    """Why a socket ends, in the words of RFC 6455: a code and a short reason."""

    code: int
    reason: str


RESTARTING: Final = Close(1012, "the server is restarting: reconnect")
TOO_SLOW: Final = Close(1013, "too slow: reconnect and resume")
UNAVAILABLE: Final = Close(1013, "realtime is unavailable: retry later")
TOO_MANY: Final = Close(4429, "too many connections")


class _Message(NamedTuple):
    position: Position
    text: str


class _CatchUp:
    """In a queue: from here on nothing is missed, so replay what was missed before."""


_CATCH_UP: Final = _CatchUp()


class Subscriber:
    """What one socket still has to send, in order and without duplicates.

    At most `limit` events wait: a socket that falls further behind ends with `TOO_SLOW`.

    Attributes:
        tenant: whose events these are.
        ended: done when the socket has to close, with the reason.
    """

    def __init__(self, channel: Channel, tenant: UUID, after: Position | None, limit: int) -> None:
        self.tenant = tenant
        self.ended: asyncio.Future[Close] = asyncio.get_running_loop().create_future()
        self._channel = channel
        self._last = after
        self._queue: asyncio.Queue[_Message | _CatchUp] = asyncio.Queue(limit)
        self._heard = False

    def end(self, close: Close) -> None:
        """Ask for the socket to be closed. The first reason counts."""
        if not self.ended.done():
            self.ended.set_result(close)

    def joined(self) -> None:
        """Note that no event is missed from here on."""
        self._heard = True
        self._put(_CATCH_UP)

    def offer(self, message: _Message) -> None:
        """Queue an event that was heard."""
        # A straggler of an earlier subscription must not hide what is to be replayed before it.
        if self._heard:
            self._put(message)

    def _put(self, item: _Message | _CatchUp) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self.end(TOO_SLOW)

    async def start(self) -> tuple[Position, bool, list[str]]:
        """Wait until no event can be missed any more.

        Returns:
            The position to resume from, whether everything after the wanted position is there, and
            the messages to send first.

        Raises:
            BrokerUnavailable: the broker was lost meanwhile.
        """
        await self._queue.get()
        return await self._catch_up()

    async def messages(self) -> AsyncIterator[str]:
        """What is to be sent after `start`, as JSON, without end.

        Raises:
            BrokerUnavailable: the broker was lost while replaying.
        """
        while True:
            item = await self._queue.get()
            if isinstance(item, _CatchUp):
                for text in (await self._catch_up())[2]:
                    yield text
            elif self._last is None or item.position > self._last:
                self._last = item.position
                yield item.text

    async def _catch_up(self) -> tuple[Position, bool, list[str]]:
        wanted = self._last
        replay = await self._channel.replay(self.tenant, wanted)
        self._last = replay.last
        if wanted is None:
            return replay.last, False, []
        if replay.complete:
            return wanted, True, [_text(event) for event in replay.events]
        return replay.last, False, [_text(Event(str(replay.last), "resync", {}))]


def _text(event: Event) -> str:
    return encode(event).decode()


class Hub:
    """Passes every event of a tenant to the tenant's sockets in this process.

    Args:
        channel: the broker; the hub closes it.
        backlog: how many events may wait for one socket.
        sockets_per_principal: how many sockets one person may hold for one tenant, in this
            process.

    Attributes:
        connected: whether the broker can be heard now.
    """

    def __init__(
        self, channel: Channel, *, backlog: int = 512, sockets_per_principal: int = 20
    ) -> None:
        self._channel = channel
        self._backlog = backlog
        self._sockets_per_principal = sockets_per_principal
        self._rooms: dict[UUID, set[Subscriber]] = {}
        self._joined: set[UUID] = set()
        self._changed = asyncio.Event()
        self._principals: Counter[Hashable] = Counter()
        self._following: asyncio.Task[None] | None = None
        self.connected = False

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow_forever(), name="realtime-hub")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every socket with 1012 and let go of the broker."""
        for subscriber in self._subscribers():
            subscriber.end(RESTARTING)
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._channel.close()

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return sum(len(room) for room in self._rooms.values())

    @contextmanager
    def subscribe(
        self, tenant: UUID, principal: Hashable, after: Position | None
    ) -> Iterator[Subscriber]:
        """A place for one socket.

        Args:
            tenant: whose events it gets.
            principal: who holds it, for counting.
            after: the last event that the client has seen, or None when it starts afresh.
        """
        subscriber = Subscriber(self._channel, tenant, after, self._backlog)
        if self._principals[principal] >= self._sockets_per_principal:
            subscriber.end(TOO_MANY)
            yield subscriber
            return
        self._principals[principal] += 1
        self._enter(subscriber)
        try:
            yield subscriber
        finally:
            self._leave(subscriber)
            self._principals[principal] -= 1
            if not self._principals[principal]:
                del self._principals[principal]

    def _enter(self, subscriber: Subscriber) -> None:
        room = self._rooms.get(subscriber.tenant)
        if room is None:
            room = self._rooms[subscriber.tenant] = set()
            self._changed.set()
        room.add(subscriber)
        if subscriber.tenant in self._joined:
            subscriber.joined()

    def _leave(self, subscriber: Subscriber) -> None:
        room = self._rooms[subscriber.tenant]
        room.discard(subscriber)
        if not room:
            del self._rooms[subscriber.tenant]
            self._changed.set()

    def _subscribers(self) -> list[Subscriber]:
        return [subscriber for room in self._rooms.values() for subscriber in room]

    async def _follow_forever(self) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                async with self._channel.listen() as listener:
                    log.info("realtime.connected")
                    self.connected = True
                    delay = FIRST_DELAY
                    await self._follow(listener)
            except* BrokerUnavailable as lost:
                log.warning("realtime.disconnected", error=str(lost.exceptions[0]))
            except* Exception:  # a fault of ours must not leave the process deaf
                log.exception("realtime.failed")
            self.connected = False
            self._joined.clear()
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311  # no secret
            delay = min(delay * 2, LONGEST_DELAY)

    async def _follow(self, listener: Listener) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask(listener))
            burst = 0
            async for heard in listener:
                self._pass_on(heard)
                burst += 1
                if burst % _BURST == 0:
                    await asyncio.sleep(0)

    async def _ask(self, listener: Listener) -> None:
        """Keep the broker hearing for exactly the tenants that have sockets here.

        A tenant that went and came back in the meantime may look joined when it is not yet. That
        heals itself: each `Joined` makes its sockets catch up once more.
        """
        asked: set[UUID] = set()
        while True:
            self._changed.clear()
            wanted = set(self._rooms)
            gone = asked - wanted
            if gone:
                self._joined -= gone
                await listener.leave(gone)
            if wanted - asked:
                await listener.join(wanted - asked)
            asked = wanted
            await self._changed.wait()

    def _pass_on(self, heard: Joined | Heard) -> None:
        room = self._rooms.get(heard.tenant, ())
        if isinstance(heard, Joined):
            self._joined.add(heard.tenant)
            for subscriber in room:
                subscriber.joined()
        elif room and heard.event.id is not None:
            message = _Message(Position.parse(heard.event.id), _text(heard.event))
            for subscriber in room:
                subscriber.offer(message)
