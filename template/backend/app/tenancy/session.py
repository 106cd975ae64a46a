"""A Principal in, a database session that can see only its tenant out."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias
from uuid import UUID

import psycopg
from psycopg.pq import Escaping
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import choices
from app.database import Session, driver_of
from app.revisions import earlier_revisions

# BEGIN travels with the context: a transaction of a tenant costs one round trip more than none.
_ENTER = b"BEGIN; SELECT user_id, tenant_id, role, known, obstacle, revision FROM %b(%b, %b)"
_ENTER_AND_ASK = b"""
BEGIN; SELECT user_id, tenant_id, role, known, obstacle, revision, audit.seconds_since_write()
FROM %b(%b, %b)
"""
_ENTER_REPLICA = b"""
BEGIN READ ONLY; SELECT user_id, tenant_id, role, known, obstacle, revision,
    CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END
FROM %b(%b, %b)
"""
_SIGN_IN = text("SELECT app.sign_in()")

NEW_TENANT_SECONDS = 5.0
"""How long the first request of a new tenant waits for the tenant's tables."""

_LOOK_AGAIN = 0.05
_PASSING = ("new", "moved")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database has proven about who is asking, at this moment.

    Attributes:
        known: Whether the tables say all that the token says.
        obstacle: Why the tenant is not served, if it is not: `suspended`, `deleted`, or for a while
            `new` (its tables are being made), `behind` (they are being migrated), `moving` (they
            can be read only) or `moved` (they are in another database now).
        revision: Which migrations the tenant's tables came to, where they are its own.
        asked: Where it was asked, how many seconds ago the tenant wrote last, if within an hour;
            of a replica, how many bytes of the database's log it has replayed.
    """

    user_id: UUID | None
    tenant_id: UUID | None
    role: str | None
    known: bool
    obstacle: str | None
    revision: str | None
    asked: float | None = None

    def is_the_same_as(self, other: "Standing") -> bool:
        """Whether both say the same of who is asking."""
        return replace(self, asked=None) == replace(other, asked=None)


Where: TypeAlias = Literal["primary", "replica"]


class Copy(Protocol):
    """A copy of the database, for requests that only read: see `app.tenancy.replica`."""

    def watched(self) -> AbstractAsyncContextManager[None]:
        """Know how far the copy is behind for as long as this is open."""

    def transaction(
        self, claims: Mapping[str, Any], request_id: str, /
    ) -> AbstractAsyncContextManager[tuple[Session, Standing, Where]]:
        """As `transaction`, for what only reads; and where it takes place."""


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, claims: Mapping[str, Any], request_id: str, *, reads: bool = False
) -> AsyncIterator[tuple[Session, Standing]]:
    """Open a transaction in which the database knows who is asking.

    It commits when the block ends and rolls back when it raises.

    Args:
        engine: The pool of this process.
        claims: What a verified token says (`Identity.claims()`), or, in a worker, which
            job it runs: `{"job_id": …, "worker_id": …}`.
        request_id: Written on every audit record of this transaction.
        reads: Whether to ask when the tenant wrote last.

    Raises:
        psycopg.OperationalError: the database cannot be reached, not even on a new connection.
    """
    opening = (json.dumps(claims), request_id, _ENTER_AND_ASK if reads else _ENTER)
    clock = asyncio.get_running_loop().time
    patience = clock() + NEW_TENANT_SECONDS
    while True:
        async with choices.tenancy.routed(engine, claims) as home, home.connect() as session:
            standing = await _enter(home, session, opening)
            if not standing.known and "sub" in claims:
                await session.execute(_SIGN_IN)
                await _commit(session)
                standing = await _open(session, *opening)
            if standing.obstacle not in _PASSING or clock() > patience:
                yield session, standing
                await _commit(session)
                if standing.tenant_id is not None:
                    await choices.tenancy.recycle(session, standing.tenant_id)
                return
            await _commit(session)
        # It waits without a connection, which others need to make an end of the waiting.
        choices.tenancy.reroute(engine, claims)
        await asyncio.sleep(_LOOK_AGAIN)


async def enter_replica(
    session: AsyncConnection, claims: Mapping[str, Any], request_id: str
) -> Standing:
    """Open a transaction on a copy of the database that only reads, in the name of these claims."""
    return await _open(session, json.dumps(claims), request_id, _ENTER_REPLICA)


async def _enter(
    home: AsyncEngine, session: AsyncConnection, opening: tuple[str, str, bytes]
) -> Standing:
    pool = home.pool
    try:
        return await _open(session, *opening)
    except psycopg.OperationalError:
        if not (await driver_of(session)).closed:
            raise
        # The server was restarted while this connection lay in the pool, and so it was for the
        # others there. Nothing has run yet, so a fresh connection may take over.
        await session.invalidate()
        if home.pool is pool:
            await home.dispose()
        return await _open(session, *opening)


async def _commit(session: AsyncConnection) -> None:
    # SQLAlchemy did not send the BEGIN, so the COMMIT is not its to skip.
    driver = await driver_of(session)
    try:
        await driver.commit()
    except psycopg.Error as error:
        if not driver.closed:
            raise
        await session.invalidate()
        if isinstance(error, psycopg.OperationalError):
            raise
        # A server that is shut down says so, and the pooler before it says it as well: the driver
        # takes two answers to one COMMIT for its own fault.
        raise psycopg.OperationalError("the connection was lost at COMMIT") from error


async def _open(session: AsyncConnection, claims: str, request_id: str, opening: bytes) -> Standing:
    driver = await driver_of(session)
    # Two statements in one message cannot have parameters: the values are quoted by libpq.
    quoted = Escaping(driver.pgconn).escape_literal
    enter = choices.tenancy.ENTER.encode()
    query = opening % (enter, quoted(claims.encode()), quoted(request_id.encode()))
    cursor = await driver.execute(query, prepare=False)
    cursor.nextset()
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("app.enter returned nothing: run `app migrate`")
    standing = Standing(*row)
    if standing.revision and not earlier_revisions().isdisjoint(standing.revision.split()):
        return replace(standing, obstacle="behind")
    return standing
