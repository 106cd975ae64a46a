"""Jobs that come round: every worker looks at the clock, and one of them enqueues."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import structlog
from cronsim import CronSim, CronSimError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.jobs.tasks import Task
from app.jobs.waiting import pause

log = structlog.get_logger()
PayloadT = TypeVar("PayloadT", bound=msgspec.Struct)

LOOK_INTERVAL = 1.0
"""Seconds between two looks at the clock."""

_ENQUEUE = text("select app.enqueue_scheduled(:task, :slot, :payload, cast(:limit as smallint))")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a task is due, and what it is told."""

    cron: str
    task: Task[Any]
    payload: msgspec.Struct

    def last_slot(self, now: datetime) -> datetime:
        """The latest moment, up to now, at which the task was due."""
        # Backwards from the next second, because the search leaves out the moment it begins at.
        next_second = now.replace(microsecond=0) + timedelta(seconds=1)
        return next(CronSim(self.cron, next_second, reverse=True))


SCHEDULES: dict[str, Schedule] = {}


def every(cron: str, task: Task[PayloadT], payload: PayloadT) -> None:
    """Enqueue the task whenever the clock says so, in UTC, once for all workers together.

    The job belongs to no tenant: its sessions see no tenant's rows. Slots that pass while no worker
    runs are made up for with one job. A schedule begins with the first slot after its first worker.

    Args:
        cron: Five fields, or six with the seconds last, as in crontab(5).
        task: What to run. It has one schedule.
        payload: What to tell it.
    """
    if task.name in SCHEDULES:
        raise ValueError(f"the task {task.name!r} has a schedule already")
    try:
        CronSim(cron, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{cron!r} is no cron expression: {error}") from None
    SCHEDULES[task.name] = Schedule(cron, task, payload)


async def follow(engine: AsyncEngine, stop: asyncio.Event) -> None:
    """Enqueue what becomes due, until told to stop. Any number of workers may do this."""
    known: dict[str, datetime] = {}
    while not stop.is_set():
        now = datetime.now(UTC)
        for schedule in SCHEDULES.values():
            slot = schedule.last_slot(now)
            if known.get(schedule.task.name) == slot:
                continue
            try:
                await _come_to(engine, schedule, slot)
            except Exception:  # the database is away: the slot is still there at the next look
                log.warning("schedule.waiting", task=schedule.task.name, exc_info=True)
            else:
                known[schedule.task.name] = slot
        await pause(stop, LOOK_INTERVAL)


async def _come_to(engine: AsyncEngine, schedule: Schedule, slot: datetime) -> None:
    async with engine.connect() as session:
        is_ours = await session.scalar(
            _ENQUEUE,
            {
                "task": schedule.task.name,
                "slot": slot,
                "payload": msgspec.json.encode(schedule.payload).decode(),
                "limit": schedule.task.per_tenant,
            },
        )
    if is_ours:
        log.info("schedule.due", task=schedule.task.name, slot=slot.isoformat())
