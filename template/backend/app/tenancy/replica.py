"""Requests that only read, on a copy of the database that follows it.

Who is asking is proven by the database itself, for every request: a member who was removed is out
at once, however late the copy is. The same answer says how long ago the newest record of the
tenant's audit trail was written, whoever wrote: this process, another, a worker, an operator. Where
that is longer ago than the copy is behind, the copy has it.

How far it is behind is not asked of the copy, which does not know what it was not told. The
database is asked again and again how far its log has come. A copy that has replayed up to there has
whatever was committed before.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import choices
from app.database import Session, create_engine, psycopg_url
from app.logins import connection_class
from app.tenancy.session import Standing, Where, enter_replica, transaction

if TYPE_CHECKING:
    from app.settings import Settings

MOST_LAG = 1.0
"""Seconds. A copy that may be further behind is not read."""

QUIET_SECONDS = 5.0
"""Who has written within so many seconds reads where it was written. The record is made before the
commit: of a transaction that goes on for longer than this less MOST_LAG, what it wrote may be
missing from answers for up to MOST_LAG."""

_LOOK_SECONDS = 0.2
_PATIENCE = 1.0
_READS = Counter("database_reads_total", "Transactions of requests that only read.", ["where"])
_LAG = Gauge("database_replica_lag_seconds", "How far the replica is behind, at most.")
_WRITTEN = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
_REPLAYED = "select (pg_last_wal_replay_lsn() - '0/0')::bigint where pg_is_in_recovery()"

log = structlog.get_logger(__name__)

_Connection = psycopg.AsyncConnection[Any]


class Replica:
    """The copy, and what this process knows of how far it is.

    Args:
        primary: The database's connections.
        settings: Of this process.
        url: The copy's address, which may stand for several of them.
    """

    def __init__(self, primary: AsyncEngine, settings: "Settings", url: str) -> None:
        self._primary = primary
        self._engine = create_engine(settings, application_name="api-reads", url=url)
        self._kind = connection_class(settings.database_next_password)
        self._primary_url = psycopg_url(settings.database_url.get_secret_value())
        self._url = psycopg_url(url)
        self._written: deque[tuple[float, int]] = deque(maxlen=100)
        self._fresh_as_of = float("-inf")
        _LAG.set_function(lambda: time.monotonic() - self._fresh_as_of)

    @property
    def is_fresh(self) -> bool:
        """Whether it had, when it was looked at, what was there MOST_LAG ago."""
        return time.monotonic() - self._fresh_as_of <= MOST_LAG

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Know how far the copy is for as long as this is open. Until then nobody reads there."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self._engine.dispose()

    @asynccontextmanager
    async def transaction(
        self, claims: Mapping[str, Any], request_id: str
    ) -> AsyncIterator[tuple[Session, Standing, Where]]:
        """As `app.tenancy.session.transaction`, for what only reads; and where it takes place."""
        if self.is_fresh:
            async with transaction(self._primary, claims, request_id, reads=True) as opened:
                session, standing = opened
                if not _has_been_quiet(standing):
                    _READS.labels("primary").inc()
                    yield session, standing, "primary"
                    return
            async with AsyncExitStack() as stack:
                copy = await self._enter(stack, claims, request_id, standing)
                if copy is not None and standing.tenant_id is not None:
                    _READS.labels("replica").inc()
                    yield copy, standing, "replica"
                    await choices.tenancy.recycle(copy, standing.tenant_id)
                    return
        async with transaction(self._primary, claims, request_id) as (session, standing):
            _READS.labels("primary").inc()
            yield session, standing, "primary"

    async def _enter(
        self, stack: AsyncExitStack, claims: Mapping[str, Any], request_id: str, proven: Standing
    ) -> Session | None:
        """A transaction on the copy, if it is there, is no further behind, and proves the same."""
        try:
            async with asyncio.timeout(_PATIENCE):
                session = await stack.enter_async_context(self._engine.connect())
                standing = await enter_replica(session, claims, request_id)
        except (SQLAlchemyError, psycopg.Error, OSError, TimeoutError) as error:
            # Nobody else tries before it was looked at again.
            self._fresh_as_of = float("-inf")
            log.warning("replica.refused", error=type(error).__name__)
            return None
        # Not the one that was looked at, perhaps, or not any more: this one says where it is.
        as_of = self._as_of(standing.asked)
        if time.monotonic() - as_of > MOST_LAG or not standing.is_the_same_as(proven):
            return None
        return session

    def _as_of(self, replayed: float | None) -> float:
        """Since when there can be nothing that a copy lacks which has replayed so much."""
        if replayed is None:
            return float("-inf")
        return max(
            (at for at, written in self._written if written <= replayed), default=float("-inf")
        )

    async def _watch(self) -> None:
        """Look at both again and again; begin anew where either is away."""
        is_away = False
        while True:
            try:
                async with (
                    await self._connect(self._primary_url) as primary,
                    await self._connect(self._url) as copy,
                ):
                    while True:
                        async with asyncio.timeout(_PATIENCE):
                            await self._look(primary, copy)
                        if is_away:
                            log.info("replica.back")
                        is_away = False
                        await asyncio.sleep(_LOOK_SECONDS)
            except (psycopg.Error, OSError, TimeoutError, _NoReplicaError) as error:
                if not is_away:
                    log.warning("replica.away", error=str(error) or type(error).__name__)
                is_away = True
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, primary: _Connection, copy: _Connection) -> None:
        at = time.monotonic()
        written = await _one(primary, _WRITTEN)
        replayed = await _one(copy, _REPLAYED)
        later = await _one(primary, _WRITTEN)
        if written is None or replayed is None or later is None:
            raise _NoReplicaError("READ_DATABASE_URL leads to a server that follows no other")
        if replayed > later:
            # After a failover it may still follow the server that was before.
            raise _NoReplicaError("READ_DATABASE_URL has what DATABASE_URL has never written")
        self._written.append((at, written))
        self._fresh_as_of = self._as_of(replayed)

    async def _connect(self, url: str) -> _Connection:
        return await self._kind.connect(
            url,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=5,
            application_name="replica",
        )


class _NoReplicaError(Exception):
    """It is no copy of anything, or not any more."""


def _has_been_quiet(standing: Standing) -> bool:
    is_served = standing.tenant_id is not None and standing.obstacle is None
    return is_served and (standing.asked is None or standing.asked >= QUIET_SECONDS)


async def _one(connection: _Connection, query: str) -> int | None:
    row = await (await connection.execute(query.encode())).fetchone()
    return None if row is None else row[0]
