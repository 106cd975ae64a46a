"""Finds the tenants who have jobs, without a connection to every tenant's database.

A mark in the control database is committed before a job is written. Whoever looks at a marked
tenant and finds nothing to do takes the mark away, unless somebody there is in the middle of a
transaction: that one may have made the mark and not written its job yet.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Session
from app.jobs.leases import LEASE
from app.tenancy.pools import Databases, Place, TenantEngine

__all__ = ["announce", "everywhere", "homes_with_jobs", "visit"]

log = structlog.get_logger()

AT_ONCE = 8
"""So many tenants are looked at together."""

TURN = timedelta(seconds=5)
"""For so long a tenant is left to the worker that looks at it."""

SOON = timedelta(seconds=0.2)
BUSY = timedelta(seconds=0.5)
PARKED = timedelta(seconds=5)
LATEST = timedelta(minutes=1)

_ME = uuid4()
"""This process, as one that looks after the jobs of workers that died."""

_MARK = text("select app.mark_tenant(:tenant)")
_TAKE = text("select tenant_id, marked_at from app.take_marks(:most, :turn)")
_SETTLE = text("""
    select app.settle_mark(:tenant, :marked_at, :look_after, :waiting, :delayed, :running, :dead,
                           :oldest_due)
""")
_OPEN = text("select app.open_transactions()")
_AROUND = text("select * from app.look_around()")
_BEAT = text("select count(*) from app.beat(:me, :lease)")
_READY = text("select tenant_id from app.tenants_with_databases(:after, :most)")
_WITH_JOBS = text("select tenant_id from app.tenants_with_jobs(:after, :most)")
_PAGE = 500

Look = Callable[[AsyncEngine, UUID | None], Awaitable[int]]


async def announce(session: Session) -> None:
    """Say in the control database that this tenant is about to have a job. It commits at once."""
    home = session.engine
    if isinstance(home, TenantEngine):
        await home.control.ask(_MARK, tenant=home.place.tenant_id)


async def visit(engine: AsyncEngine, look: Look) -> int:
    """Look for jobs in the control database and at every tenant who is marked and due."""
    databases = databases_of(engine)
    async with databases.connect() as control:
        parameters = {"most": AT_ONCE, "turn": TURN}
        marks = (await control.execute(_TAKE, parameters)).all()
    looks = [look(databases, None), *(_visit(databases, look, mark) for mark in marks)]
    found = await asyncio.gather(*looks, return_exceptions=True)
    failures = [outcome for outcome in found if isinstance(outcome, BaseException)]
    if failures:
        # The queue or the control database is away: whoever called knows what to do about that.
        raise failures[0]
    return sum(outcome for outcome in found if isinstance(outcome, int))


async def homes_with_jobs(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """The control database's connections, then those of each tenant who may have jobs."""
    databases = databases_of(engine)
    yield databases
    async for place in _places(databases, _WITH_JOBS):
        async with databases.connections(place) as home:
            yield home


async def everywhere(engine: AsyncEngine, act: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    """Do something in the control database, then in every tenant's, several at a time.

    Raises:
        Exception: what it failed with first; it was tried in every other database all the same.
    """
    databases = databases_of(engine)
    await act(databases)
    turns = asyncio.Semaphore(AT_ONCE)

    async def at(place: Place) -> Exception | None:
        try:
            async with turns, databases.connections(place) as home:
                await act(home)
        except Exception as error:  # noqa: BLE001  # whatever it is, the other tenants come next
            log.warning("tenant.not_reached", tenant_id=str(place.tenant_id), reason=str(error))
            databases.forget_tenant(place.tenant_id)
            return error
        return None

    failures: list[Exception] = []
    async for page in _pages(databases, _READY):
        outcomes = await asyncio.gather(*(at(place) for place in page))
        failures += [error for error in outcomes if error is not None]
    if failures:
        raise failures[0]


async def _places(databases: Databases, tenants_of: Any) -> AsyncIterator[Place]:
    async for page in _pages(databases, tenants_of):
        for place in page:
            yield place


async def _pages(databases: Databases, tenants_of: Any) -> AsyncIterator[list[Place]]:
    last = UUID(int=0)
    while True:
        async with databases.connect() as control:
            parameters = {"after": last, "most": _PAGE}
            tenants = list(await control.scalars(tenants_of, parameters))
        if not tenants:
            return
        last = tenants[-1]
        found = [await databases.place_of(tenant_id) for tenant_id in tenants]
        yield [place for place in found if place is not None]


def databases_of(engine: AsyncEngine) -> Databases:
    """The same, for who knows only that it is an engine."""
    if not isinstance(engine, Databases):
        raise TypeError("tenancy by databases needs the connections of tenancy.create_engine()")
    return engine


async def _visit(databases: Databases, look: Look, mark: Any) -> int:
    place = await databases.place_of(mark.tenant_id)
    if place is None:
        return 0
    settled = {"tenant": mark.tenant_id, "marked_at": mark.marked_at}
    try:
        handed, found = await _look_around(databases, look, place)
    except (SQLAlchemyError, psycopg.Error) as error:
        # One tenant's trouble must not hold up the others' jobs; the next look comes in TURN.
        log.warning("tenant.not_looked_at", tenant_id=str(mark.tenant_id), reason=str(error))
        databases.forget_tenant(mark.tenant_id)
        return 0
    async with databases.connect() as control:
        await control.execute(_SETTLE, settled | found)
    return handed


async def _look_around(
    databases: Databases, look: Look, place: Place
) -> tuple[int, dict[str, Any]]:
    async with databases.connections(place) as home:
        async with home.connect() as session:
            # Asked first: who is not there now, and wrote a job, has written it when we look.
            is_quiet = not await session.scalar(_OPEN)
        handed = await look(home, place.tenant_id)
        async with home.connect() as session:
            around = (await session.execute(_AROUND)).one()
            if around.running:
                await session.execute(_BEAT, {"me": _ME, "lease": LEASE})
    names = ("waiting", "delayed", "running", "dead", "oldest_due")
    counts = {name: getattr(around, name) for name in names}
    return handed, counts | {"look_after": _look_after(around, is_quiet=is_quiet)}


def _look_after(around: Any, *, is_quiet: bool) -> timedelta | None:
    """When to look again; None when there is nothing to wait for."""
    if around.waiting or around.running:
        return BUSY
    if not is_quiet:
        return SOON
    if around.parked:
        return PARKED
    next_due: timedelta | None = around.next_due
    return None if next_due is None else min(max(next_due, SOON), LATEST)
