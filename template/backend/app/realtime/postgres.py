"""Events through Postgres: a table of each tenant's latest ones to replay, LISTEN/NOTIFY to hear.

All tenants share one notification channel of the database, because a server goes through the whole
list of channels that a session listens to for every notification. A notification carries no data,
only the news that there is something to read: what comes in a burst is read together.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.pq import TransactionStatus
from pydantic import BaseModel, Field, SecretStr

from app.database import is_connection_lost, psycopg_url
from app.logins import connection_class
from app.realtime.events import (
    KEPT_EVENTS,
    MAX_EVENT_BYTES,
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

_PUBLISH = "select app.publish_event(%s, %s, %s::text::jsonb)"
_LAST = "select app.last_event(%s)"
# One statement sees one state: no event can come between the two answers.
_REPLAY = """
    select app.last_event(%(tenant)s), e.position, e.previous, e.type, e.data
    from (select) as once
    left join app.events_after(
        array[%(tenant)s]::uuid[], array[%(after)s]::bigint[], %(at_most)s
    ) e on true
    order by e.position
"""
_READ = """
    select tenant_id, position, previous, type, data
    from app.events_after(%s::uuid[], %s::bigint[], %s)
"""
_LISTEN = "listen app_realtime"
_LISTENS = "select 'app_realtime' in (select pg_listening_channels())"

_MAX_CONNECTIONS = 4
_PATIENCE = 2.0
"""Seconds for one operation, connecting included."""

_SILENCE = 5.0
"""Seconds without a word from the server before it is asked, and again until it counts as dead."""

_ROWS_AT_ONCE = 500
_TENANTS_AT_ONCE = 100
"""What one look at the table may bring: events are up to `MAX_EVENT_BYTES` long."""

_LARGEST = 2**63 - 1

_FAILURES = (psycopg.Error, OSError)

_decode_data = msgspec.json.Decoder(dict[str, object]).decode

T = TypeVar("T")
_Connection: TypeAlias = psycopg.AsyncConnection[Any]


class Settings(BaseModel):
    """Where the channel is."""

    listen_database_url: SecretStr | None = Field(
        default=None,
        description="The same login, past any pooler in transaction mode. Default: DATABASE_URL.",
    )


class HasDatabaseUrls(Protocol):
    """The settings that this channel needs."""

    database_url: SecretStr
    listen_database_url: SecretStr | None
    database_next_password: SecretStr | None


def create_channel(settings: HasDatabaseUrls) -> Channel:
    """The channel of this process."""
    direct = settings.listen_database_url or settings.database_url
    return PostgresChannel(
        settings.database_url.get_secret_value(),
        direct.get_secret_value(),
        connection_class(settings.database_next_password),
    )


class PostgresChannel:
    """See `Channel`.

    Args:
        database_url: where to publish and to replay, which may lead through a pooler.
        listen_database_url: where to listen: Postgres itself.
        kind: Connections that know which password counts.
    """

    def __init__(
        self,
        database_url: str,
        listen_database_url: str,
        kind: type[_Connection] = psycopg.AsyncConnection,
    ) -> None:
        self._kind = kind
        self._connections = _Connections(database_url, kind)
        self._listen_database_url = listen_database_url
        self._dropped = 0

    async def publish(self, tenant: UUID, type_: str, data: Mapping[str, object], /) -> None:
        """See `Channel.publish`."""
        size = len(encode({"type": type_, "data": data}))
        if size > MAX_EVENT_BYTES:
            log.error("realtime.event_too_big", event_type=type_, bytes=size)
            return
        try:
            await self._connections.fetch(_PUBLISH, (tenant, type_, encode(data).decode()))
        except _FAILURES as error:
            self._dropped += 1
            if self._dropped == 1:
                log.warning("realtime.publish_failed", error=_words(error))
        else:
            if self._dropped:
                log.info("realtime.publish_recovered", dropped=self._dropped)
                self._dropped = 0

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["PostgresListener"]:
        """See `Channel.listen`."""
        try:
            connection = await _within(_PATIENCE, _connect(self._kind, self._listen_database_url))
        except _FAILURES as error:
            raise BrokerUnavailable(_words(error)) from error
        try:
            listener = PostgresListener(connection)
            await listener.begin()
            yield listener
        finally:
            await connection.close()

    async def replay(self, tenant: UUID, after: Position | None) -> Replay:
        """See `Channel.replay`."""
        try:
            if after is None:
                ((last,),) = await self._connections.fetch(_LAST, (tenant,))
                return Replay((), Position(last, 0), complete=True)
            rows = await self._connections.fetch(
                _REPLAY,
                {
                    "tenant": tenant,
                    "after": min(after.major, _LARGEST),
                    "at_most": 2 * KEPT_EVENTS,  # more than are ever kept
                },
            )
        except _FAILURES as error:
            raise BrokerUnavailable(_words(error)) from error
        newest = rows[0][0]
        found = [_Row(tenant, *row[1:]) for row in rows if row[1] is not None]
        # Each event knows the one before it: the first of these must know the one after which the
        # client asks.
        stands_at = Position(found[0].previous if found else newest, 0)
        if stands_at != after:
            return Replay((), Position(newest, 0), complete=False)
        return Replay([row.event() for row in found], Position(newest, 0), complete=True)

    async def close(self) -> None:
        """See `Channel.close`."""
        await self._connections.close()


class PostgresListener:
    """See `Listener`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._joined: deque[UUID] = deque()
        self._tenants: set[UUID] = set()
        # What was passed on last, of tenants of whom something was.
        self._passed_on: dict[UUID, int] = {}
        self._news: dict[UUID, _News] = {}
        self._stirred = asyncio.Event()
        # Notifications that arrive with the answer to a query.
        connection.add_notify_handler(lambda notify: self._note(notify.payload))

    async def begin(self) -> None:
        """Start to listen.

        Raises:
            BrokerUnavailable: the server does not answer, or it is none that can be listened to.
        """
        await self._fetch(_LISTEN)
        await self._require_listening()

    async def join(self, tenants: Collection[UUID]) -> None:
        """See `Listener.join`."""
        # The connection hears of every tenant already: it is enough to stop ignoring these.
        self._tenants.update(tenants)
        self._joined.extend(tenants)
        self._stirred.set()

    async def leave(self, tenants: Collection[UUID]) -> None:
        """See `Listener.leave`."""
        for tenant in tenants:
            self._tenants.discard(tenant)
            self._passed_on.pop(tenant, None)
            self._news.pop(tenant, None)

    async def __aiter__(self) -> AsyncIterator[Joined | Heard]:
        """See `Listener.__aiter__`."""
        while True:
            self._take_notifications()
            if self._joined:
                yield Joined(self._joined.popleft())
            elif self._news:
                for row in await self._read():
                    yield Heard(row.tenant, row.event())
            elif not await self._is_stirred():
                await self._require_listening()

    def _take_notifications(self) -> None:
        # Before waiting for the socket: what came with an answer may lie in the driver's buffer.
        try:
            self._connection.pgconn.consume_input()
            while (notify := self._connection.pgconn.notifies()) is not None:
                self._note(notify.extra.decode(errors="replace"))
        except psycopg.Error as error:
            raise BrokerUnavailable(_words(error)) from error

    def _note(self, payload: str) -> None:
        tenant_text, _, previous_text = payload.partition(" ")
        try:
            tenant, previous = UUID(tenant_text), int(previous_text)
        except ValueError:  # every login of the database may notify
            return
        if tenant in self._tenants and previous >= self._passed_on.get(tenant, 0):
            self._news[tenant] = _News(previous, previous).merged(self._news.get(tenant))

    async def _is_stirred(self) -> bool:
        """Wait for input or for a change of the tenants; False if there is none for too long."""
        loop = asyncio.get_running_loop()
        descriptor = self._connection.pgconn.socket
        loop.add_reader(descriptor, self._stirred.set)
        try:
            async with asyncio.timeout(_SILENCE):
                await self._stirred.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
        self._stirred.clear()
        return True

    async def _read(self) -> "list[_Row]":
        """The next events, of some of the tenants of whom there are news.

        Raises:
            BrokerUnavailable: the connection is lost, or events are gone that nobody has read.
        """
        # Taken out first: what is noted from here on may be too late for this look.
        first_ones = [*islice(self._news, _TENANTS_AT_ONCE)]
        asked = {tenant: self._news.pop(tenant) for tenant in first_ones}
        reached = {
            tenant: self._passed_on.get(tenant, news.first)
            for tenant, news in asked.items()
            if news.last >= self._passed_on.get(tenant, 0)
        }
        if not reached:
            return []
        parameters = ([*reached], [*reached.values()], _ROWS_AT_ONCE)
        rows = [_Row(*row) for row in await self._fetch(_READ, parameters)]
        for row in rows:
            if row.previous != reached[row.tenant]:
                raise BrokerUnavailable("events are gone that were not read in time")
            reached[row.tenant] = row.position
            if row.tenant in self._tenants:
                self._passed_on[row.tenant] = row.position
        if len(rows) == _ROWS_AT_ONCE:
            unread = [*reached][[*reached].index(rows[-1].tenant) :]
            for tenant in self._tenants.intersection(unread):
                self._news[tenant] = asked[tenant].merged(self._news.get(tenant))
        return rows

    async def _require_listening(self) -> None:
        ((listens,),) = await self._fetch(_LISTENS)
        if not listens:
            raise BrokerUnavailable(
                "the session forgot that it listens: LISTEN_DATABASE_URL must lead to Postgres "
                "itself, past any pooler in transaction mode"
            )

    async def _fetch(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return await _within(_SILENCE, _fetch(self._connection, query, parameters))
        except _FAILURES as error:
            raise BrokerUnavailable(_words(error)) from error


class _News(NamedTuple):
    """Of which events of a tenant something was heard: the positions before the first and last."""

    first: int
    last: int

    def merged(self, other: "_News | None") -> "_News":
        if other is None:
            return self
        return _News(min(self.first, other.first), max(self.last, other.last))


class _Row(NamedTuple):
    """An event as the table keeps it."""

    tenant: UUID
    position: int
    previous: int
    type: str
    data: str

    def event(self) -> Event:
        return Event(str(Position(self.position, 0)), self.type, _decode_data(self.data))


class _Connections:
    """A few connections, opened when they are needed and kept."""

    def __init__(self, url: str, kind: type[_Connection]) -> None:
        self._url = url
        self._kind = kind
        self._idle: asyncio.LifoQueue[_Connection | None] = asyncio.LifoQueue()
        for _ in range(_MAX_CONNECTIONS):
            self._idle.put_nowait(None)
        self._is_closed = False

    async def fetch(
        self, query: str, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """Run a query that may run twice, on another connection if the first one is lost.

        Raises:
            psycopg.Error: the server cannot be reached, or refuses.
            TimeoutError: it took longer than `_PATIENCE`.
        """
        return await _within(_PATIENCE, self._fetch(query, parameters))

    async def _fetch(
        self, query: str, parameters: Sequence[object] | Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        connection = await self._idle.get()
        try:
            if connection is not None:
                try:
                    return await _fetch(connection, query, parameters)
                except psycopg.Error as error:
                    if not is_connection_lost(error):
                        raise
                await connection.close()
            connection = await _connect(self._kind, self._url)
            return await _fetch(connection, query, parameters)
        finally:
            self._idle.put_nowait(await self._kept(connection))

    async def _kept(self, connection: _Connection | None) -> _Connection | None:
        if connection is None:
            return None
        is_idle = connection.info.transaction_status == TransactionStatus.IDLE
        if is_idle and not self._is_closed:
            return connection
        await connection.close()
        return None

    async def close(self) -> None:
        """Close what is idle now, and the others when they become so."""
        self._is_closed = True
        idle = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        for connection in idle:
            self._idle.put_nowait(await self._kept(connection))


async def _connect(kind: type[_Connection], url: str) -> _Connection:
    return await kind.connect(
        psycopg_url(url),
        autocommit=True,
        prepare_threshold=None,
        application_name="realtime",
        connect_timeout=5,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=2,
        tcp_user_timeout=9000,
    )


async def _fetch(
    connection: _Connection, query: str, parameters: Sequence[object] | Mapping[str, object]
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode(), parameters)
    return [] if cursor.description is None else await cursor.fetchall()


async def _within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The outcome of the work, or a TimeoutError that is not late.

    The driver takes its time when it is cancelled: it asks the server to stop, and waits for that.
    A second cancellation cuts this short and closes the connection.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            return task.result()
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    finally:
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        if not task.cancelled():
            task.exception()  # looked at, or it would be reported as forgotten


def _words(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
