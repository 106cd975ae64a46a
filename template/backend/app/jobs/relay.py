"""Tells a queue outside the database about the jobs that were committed to the outbox.

It begins where it left off, however long the queue was away, and in the order of each tenant's
jobs. Tenants take turns: many jobs of one do not stand before the first of another.
"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import choices
from app.jobs.queue import Delivery, Relayed
from app.jobs.waiting import pause

log = structlog.get_logger()

POLL_INTERVAL = 0.2
"""Seconds between two looks for new jobs. A look is one index probe per tenant that waits."""

LOSS_INTERVAL = 5.0
"""Seconds between two looks for deliveries that got lost."""

BATCH = 100
"""So many jobs are handed over at a time."""

PER_TENANT = 100
"""So many of a tenant's jobs may be in the queue at a time; the others wait for their turn here."""

_DUE = text("""
    with recursive tenants as (
        (select tenant_id from app.outbox
         where handed_at is null and worker_id is null and failed_at is null and not parked
         order by tenant_id limit 1)
        union all
        select (
            select o.tenant_id from app.outbox o
            where o.handed_at is null and o.worker_id is null and o.failed_at is null
              and not o.parked and o.tenant_id > t.tenant_id
            order by o.tenant_id limit 1
        )
        from tenants t where t.tenant_id is not null
    ),
    turns as (
        select due.id,
               row_number() over (partition by t.tenant_id order by due.run_after, due.id) as n
        from tenants t
        cross join lateral (
            select o.id, o.run_after from app.outbox o
            where o.tenant_id = t.tenant_id and o.run_after <= now()
              and o.handed_at is null and o.worker_id is null and o.failed_at is null
              and not o.parked
            order by o.run_after, o.id
            limit least(:batch, :per_tenant - (
                select count(*) from (
                    select from app.outbox h
                    where h.tenant_id = t.tenant_id and h.handed_at is not null
                      and h.failed_at is null and not h.parked
                    limit :per_tenant
                ) handed
            ))
        ) due
    )
    select o.id, o.delivery from turns join app.outbox o using (id)
    order by turns.n, o.run_after, o.id
    limit :batch
    for update of o skip locked
""")
_HANDED = text("update app.outbox set handed_at = now() where id = any(:ids)")
_LOST = text("""
    update app.outbox set handed_at = null
    where handed_at < now() - :offer_again_after
      and worker_id is null and failed_at is null and not parked
""")


async def relay(
    engine: AsyncEngine, queue: Relayed, stop: asyncio.Event, *, offer_again_after: timedelta
) -> None:
    """Hand over what is due until told to stop. Any number of these may run.

    Args:
        engine: The worker's pool.
        queue: Where to.
        stop: Set when it is enough.
        offer_again_after: A delivery that nobody claimed is offered again after this: the queue may
            have lost it.
    """
    clock = asyncio.get_running_loop().time
    next_look: dict[UUID | None, float] = {}
    is_away = False

    async def look(home: AsyncEngine, place: UUID | None) -> int:
        if clock() >= next_look.get(place, 0.0):
            await _execute(home, _LOST, offer_again_after=offer_again_after)
            next_look[place] = clock() + LOSS_INTERVAL
        return await hand_over(home, queue, place)

    while not stop.is_set():
        try:
            handed = await choices.tenancy.visit(engine, look)
        except Exception:  # the relay outlives whatever is down, and says so
            log.warning("relay.waiting", exc_info=not is_away)
            is_away = True
            await pause(stop, 1.0)
            continue
        if is_away:
            log.info("relay.resumed")
            is_away = False
        if not handed:
            await pause(stop, POLL_INTERVAL)


async def hand_over(engine: AsyncEngine, queue: Relayed, place: UUID | None = None) -> int:
    """Give the queue what is due, and return how many jobs that were.

    Args:
        engine: Where the outbox is.
        queue: Where to.
        place: The tenant whose outbox it is, where tenants have databases of their own.
    """
    async with engine.connect() as session:
        await session.exec_driver_sql("BEGIN")
        due = (await session.execute(_DUE, {"batch": BATCH, "per_tenant": PER_TENANT})).all()
        if due:
            await queue.offer([Delivery(job.id, job.delivery, place) for job in due])
            await session.execute(_HANDED, {"ids": [job.id for job in due]})
        await session.exec_driver_sql("COMMIT")
        return len(due)


async def _execute(engine: AsyncEngine, statement: Any, **parameters: Any) -> None:
    async with engine.connect() as session:
        await session.execute(statement, parameters)
