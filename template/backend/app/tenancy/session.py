"""A Principal in, a database session that can see only its tenant out."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.pq import Escaping
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database import Session, driver_of

# BEGIN travels with the context: a transaction of a tenant costs one round trip more than none.
_ENTER = b"BEGIN; SELECT user_id, tenant_id, role, known, obstacle FROM app.enter(%b, %b)"
_SIGN_IN = text("SELECT app.sign_in()")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database has proven about who is asking, at this moment."""

    user_id: UUID | None
    tenant_id: UUID | None
    role: str | None
    known: bool
    obstacle: str | None


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, claims: Mapping[str, Any], request_id: str
) -> AsyncIterator[tuple[Session, Standing]]:
    """Open a transaction in which the database knows who is asking.

    It commits when the block ends and rolls back when it raises.

    Args:
        engine: The pool of this process.
        claims: What a verified token says (`Identity.claims()`), or, in a worker, which
            job it runs: `{"job_id": …, "worker_id": …}`.
        request_id: Written on every audit record of this transaction.

    Raises:
        psycopg.OperationalError: the database cannot be reached, not even on a new connection.
    """
    opening = (json.dumps(claims), request_id)
    pool = engine.pool
    async with engine.connect() as session:
        try:
            standing = await _open(session, *opening)
        except psycopg.OperationalError:
            if not (await driver_of(session)).closed:
                raise
            # The server was restarted while this connection lay in the pool, and so it was for the
            # others there. Nothing has run yet, so a fresh connection may take over.
            await session.invalidate()
            if engine.pool is pool:
                await engine.dispose()
            standing = await _open(session, *opening)
        if not standing.known and "sub" in claims:
            await session.execute(_SIGN_IN)
            await _commit(session)
            standing = await _open(session, *opening)
        yield session, standing
        await _commit(session)


async def _commit(session: AsyncConnection) -> None:
    # SQLAlchemy did not send the BEGIN, so the COMMIT is not its to skip.
    await (await driver_of(session)).commit()


async def _open(session: AsyncConnection, claims: str, request_id: str) -> Standing:
    driver = await driver_of(session)
    # Two statements in one message cannot have parameters: the values are quoted by libpq.
    quoted = Escaping(driver.pgconn).escape_literal
    query = _ENTER % (quoted(claims.encode()), quoted(request_id.encode()))
    cursor = await driver.execute(query, prepare=False)
    cursor.nextset()
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("app.enter returned nothing: run `app migrate`")
    return Standing(*row)
