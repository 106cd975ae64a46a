"""Runs one job: starts it, bounds it in time, and writes down how it ended."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Histogram
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import is_connection_lost
from app.jobs.job import Job, JobGone
from app.jobs.tasks import TASKS, Task, Unrecoverable
from app.realtime.events import Channel

log = structlog.get_logger()
_DURATION = Histogram(
    "job_duration_seconds",
    "Time of one attempt, however it ended.",
    ["task"],
    buckets=(0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600),
)

FIRST_RETRY = 2.0
LONGEST_RETRY = 600.0
"""Seconds. The delay doubles between the two, with jitter so that jobs do not march in step."""

_START = text("""
    update app.outbox set attempts = attempts + 1
    where id = :id and failed_at is null
    returning task, payload::text as payload, attempts, coalesce(request_id, id::text) as request_id
""")
_FINISH = text("delete from app.outbox where id = :id")
_RETRY = text("""
    update app.outbox
    set run_after = now() + :delay, delivery = delivery + 1, handed_at = null, error = :error
    where id = :id
""")
_DEAD = text("update app.outbox set failed_at = now(), error = :error where id = :id")


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs by id. What it raises means: deliver this job again."""

    engine: AsyncEngine
    channel: Channel

    async def __call__(self, job_id: UUID) -> None:
        """Run a job to its end. A job that is already done is left alone."""
        row = await self._one(_START, id=job_id)
        if row is None:
            return
        structlog.contextvars.bind_contextvars(
            request_id=row.request_id, job_id=str(job_id), task=row.task
        )
        job = Job(job_id, row.request_id, self.engine, self.channel)
        task = TASKS.get(row.task)
        try:
            with _DURATION.labels(task.name if task else "unknown").time():
                await self._run(job, task, row)
        finally:
            structlog.contextvars.clear_contextvars()

    async def _run(self, job: Job, task: Task[Any] | None, row: Any) -> None:
        if task is None:
            await self._bury(job, None, None, f"no task is named {row.task!r}")
            return
        try:
            payload = msgspec.json.decode(row.payload, type=task.payload)
        except msgspec.ValidationError as error:
            await self._bury(job, None, None, f"the payload does not fit the task: {error}")
            return
        if row.attempts > task.attempts:
            await self._bury(job, task, payload, "the worker died in each of its attempts")
            return
        try:
            async with asyncio.timeout(task.timeout):
                await task.run(job, payload)
        except JobGone:
            log.info("job.gone")
        except Unrecoverable as error:
            await self._bury(job, task, payload, str(error))
        except Exception as error:
            if is_connection_lost(error):
                raise
            log.exception("job.failed", attempt=row.attempts)
            reason = str(error) or type(error).__name__
            if row.attempts >= task.attempts:
                await self._bury(job, task, payload, reason)
            else:
                delay = timedelta(seconds=backoff(row.attempts))
                await self._one(_RETRY, id=job.id, delay=delay, error=reason)
        else:
            await self._one(_FINISH, id=job.id)
            log.info("job.done", attempt=row.attempts)

    async def _bury(
        self, job: Job, task: Task[Any] | None, payload: Any | None, reason: str
    ) -> None:
        log.error("job.dead", reason=reason)
        async with job.transaction() as session:
            if task is not None and task.on_failure is not None:
                await task.on_failure(session, payload, reason)
            await session.execute(_DEAD, {"id": job.id, "error": reason})

    async def _one(self, statement: Any, **parameters: Any) -> Any:
        """Run one statement on the outbox, which commits by itself."""
        async with self.engine.connect() as session:
            result = await session.execute(statement, parameters)
            return result.one_or_none() if result.returns_rows else None


def backoff(attempt: int) -> float:
    """Seconds to wait after this many failed attempts: exponential, with full jitter above half.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    longest = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** (attempt - 1))
    return longest / 2 + random.uniform(0, longest / 2)  # noqa: S311  # spreads load, hides nothing
