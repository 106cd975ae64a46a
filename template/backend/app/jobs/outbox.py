"""The outbox: jobs written in the transaction that needs them, handed to the queue afterwards.

The row stays until its job is done, so the queue may crash, or lose everything, and the work still
happens: what the queue does not know any more is handed over again.
"""

import asyncio
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Session
from app.jobs.queue import Queue
from app.jobs.tasks import Task

log = structlog.get_logger()
PayloadT = TypeVar("PayloadT", bound=msgspec.Struct)

POLL_INTERVAL = 0.2
"""Seconds between two looks for new jobs. A look is one index probe."""

OFFER_AGAIN_AFTER = timedelta(seconds=30)
"""An unfinished job is offered again after this. The queue ignores what it still knows."""

_ENQUEUE = text("insert into app.outbox (task, payload) values (:task, :payload) returning id")
_DUE = text("""
    select id, delivery from app.outbox
    where failed_at is null and run_after <= now()
      and (handed_at is null or handed_at < now() - :offer_again_after)
    order by id limit 100
    for update skip locked
""")
_HANDED = text("update app.outbox set handed_at = now() where id = any(:ids)")


async def enqueue(session: Session, task: Task[PayloadT], payload: PayloadT) -> UUID:
    """Write a job in the caller's transaction: it runs if, and only if, that commits."""
    body = msgspec.json.encode(payload).decode()
    job_id: UUID = await session.scalar(_ENQUEUE, {"task": task.name, "payload": body})
    return job_id


async def relay(engine: AsyncEngine, queue: Queue, stop: asyncio.Event) -> None:
    """Hand over what is due, oldest first, until told to stop. Any number of these may run."""
    while not stop.is_set():
        try:
            handed = await hand_over(engine, queue)
        except Exception:  # the relay outlives whatever is down, and says so
            log.warning("relay.waiting", exc_info=True)
            handed = 0
            await _pause(stop, 1.0)
        if not handed:
            await _pause(stop, POLL_INTERVAL)


async def hand_over(engine: AsyncEngine, queue: Queue) -> int:
    """Give the queue what is due, and return how many jobs that were."""
    async with engine.connect() as session:
        await session.exec_driver_sql("BEGIN")
        due: list[Any] = list(await session.execute(_DUE, {"offer_again_after": OFFER_AGAIN_AFTER}))
        if due:
            for record in due:
                await queue.offer(record.id, record.delivery)
            await session.execute(_HANDED, {"ids": [record.id for record in due]})
        await session.exec_driver_sql("COMMIT")
        return len(due)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
