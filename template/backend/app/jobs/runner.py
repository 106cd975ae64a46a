"""Runs one job: starts it, bounds it in time, and writes down how it ended."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.choices import tenancy
from app.database import Session, is_conflict, is_connection_lost, is_read_only
from app.jobs.job import Job, JobGone, TenantNotReady
from app.jobs.leases import Leases, Running
from app.jobs.tasks import TASKS, Task, Unrecoverable
from app.realtime.events import Channel
from app.storage import Storage

log = structlog.get_logger()
_SECONDS = (0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600)
_DURATION = Histogram(
    "job_duration_seconds", "Time of one attempt, however it ended.", ["task"], buckets=_SECONDS
)
_WAIT = Histogram(
    "job_wait_seconds", "From when a job was due until it began.", ["task"], buckets=_SECONDS
)
_FAILURES = Counter("job_failures_total", "Attempts that failed.", ["task"])

NOT_READY = timedelta(seconds=5)
"""How long a job waits whose tenant's tables are being migrated."""

CONFLICT_PAUSES = (0.05, 0.25, 1.0)
"""Seconds at most before a task goes on in whose way another transaction was, each time it was."""

HAND_BACK_SECONDS = 5.0
"""Time to hand a job back when the worker ends; after that its lease runs out."""

_CLAIM = text("select * from app.claim_job(:id, :me)")
_ATTEMPTS = text("""
    select (select attempts from app.outbox where id = :id and worker_id = :me) as attempts
""")
_FINISH = text("select app.finish_job(:id, :me) as ended")
_RETRY = text("select app.retry_job(:id, :me, :delay, :reason)")
_POSTPONE = text("select app.postpone_job(:id, :me, :delay)")
_BURY = text("select app.bury_job(:id, :me, :reason)")
_IS_WAITING = text("""
    select exists (
        select from app.outbox o where o.id = :id and app.job_state(o) = 'waiting'
    ) as waits
""")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A job that this worker holds, and what there is to know about it."""

    job: Job
    task: Task[Any] | None
    name: str
    payload: str
    attempts: int
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs by id. What it raises means: deliver this job again."""

    engine: AsyncEngine
    channel: Channel
    leases: Leases
    storage: Storage

    async def __call__(self, job_id: UUID, place: UUID | None = None) -> None:
        """Run a job to its end. What is done, held by another or not due is left alone."""
        if job_id in self.leases.running:
            return
        # Known before it is claimed, so that no beat takes the claim for one that got lost.
        running = self.leases.running[job_id] = Running(place)
        try:
            if place is not None:
                await self.leases.beat_at(place)
            claimed = await self._claim(job_id, place)
            if claimed is not None:
                await self._attempt(claimed, running)
        finally:
            del self.leases.running[job_id]

    async def _claim(self, job_id: UUID, place: UUID | None) -> _Claimed | None:
        row = await self._step(_CLAIM, place, id=job_id)
        if row.task is None:
            return None
        task = TASKS.get(row.task)
        label = task.name if task else "unknown"
        _WAIT.labels(label).observe(row.waited)
        means = (self.engine, self.channel, self.storage)
        job = Job(job_id, self.leases.me, row.request_id, *means, place)
        return _Claimed(job, task, row.task, row.payload, row.attempts, row.is_cancelled)

    async def _attempt(self, claimed: _Claimed, running: Running) -> None:
        """One attempt, as a task of its own: it can be interrupted without ending the delivery."""
        label = claimed.task.name if claimed.task else "unknown"
        with (
            structlog.contextvars.bound_contextvars(
                request_id=claimed.job.request_id, job_id=str(claimed.job.id), task=claimed.name
            ),
            _DURATION.labels(label).time(),
        ):
            running.attempt = asyncio.create_task(self._run(claimed, running))
            try:
                await asyncio.wait({running.attempt})
            except asyncio.CancelledError:
                running.attempt.cancel()
                await asyncio.wait({running.attempt})
                await self._hand_back(claimed.job)
                raise
            if running.interruption == "cancelled":
                await self._cancel(claimed)
            elif running.interruption == "lost":
                await self._leave(claimed.job)
            else:
                running.attempt.result()

    async def _run(self, claimed: _Claimed, running: Running) -> None:
        if claimed.is_cancelled:
            await self._cancel(claimed)
            return
        try:
            task, payload = _understood(claimed)
        except Unrecoverable as error:
            await self._bury(claimed, str(error))
            return
        limit = asyncio.timeout(task.timeout)
        try:
            running.is_at_work = True
            try:
                async with limit:
                    await _run_through(task, claimed.job, payload)
            finally:
                running.is_at_work = False
        except JobGone:
            await self._leave(claimed.job)
        except TenantNotReady as error:
            log.info("job.postponed", obstacle=str(error))
            await self._step(_POSTPONE, claimed.job.place, id=claimed.job.id, delay=NOT_READY)
        except Unrecoverable as error:
            _FAILURES.labels(task.name).inc()
            await self._bury(claimed, str(error))
        except Exception as error:
            if is_connection_lost(error) or is_read_only(error):
                raise
            _FAILURES.labels(task.name).inc()
            log.exception("job.failed", attempt=claimed.attempts)
            reason = str(error) or type(error).__name__
            if limit.expired():
                reason = f"it took longer than {task.timeout:g} seconds"
            await self._fail(claimed, task, reason)
        else:
            await self._finish(claimed)

    async def _finish(self, claimed: _Claimed) -> None:
        if (await self._step(_FINISH, claimed.job.place, id=claimed.job.id)).ended:
            log.info("job.done", attempt=claimed.attempts)
        else:
            await self._leave(claimed.job)

    async def _fail(self, claimed: _Claimed, task: Task[Any], reason: str) -> None:
        # Fewer than at the start, if the attempt came forward before it failed.
        place = claimed.job.place
        attempts = (await self._step(_ATTEMPTS, place, id=claimed.job.id)).attempts
        if attempts is None:
            await self._leave(claimed.job)
            return
        if attempts >= task.attempts:
            await self._bury(claimed, reason)
            return
        delay = timedelta(seconds=task.backoff.after(attempts))
        await self._step(_RETRY, place, id=claimed.job.id, delay=delay, reason=reason)

    async def _leave(self, job: Job) -> None:
        """End an attempt at a job that this worker does not hold any more.

        Raises:
            JobGone: nobody else holds it either: a server that crashed has forgotten the claim,
                and whoever delivered the job believes that it was taken.
        """
        if (await self._step(_IS_WAITING, job.place, id=job.id)).waits:
            raise JobGone(f"the claim of job {job.id} was forgotten")
        log.warning("job.lost")

    async def _bury(self, claimed: _Claimed, reason: str) -> None:
        log.error("job.dead", reason=reason)
        await self._end(claimed, reason, _BURY, {"reason": reason})

    async def _cancel(self, claimed: _Claimed) -> None:
        log.info("job.cancelled")
        await self._end(claimed, "cancelled", _FINISH, {})

    async def _end(
        self, claimed: _Claimed, reason: str, step: Any, parameters: dict[str, Any]
    ) -> None:
        """End a job that did not succeed, together with what its task does about that."""
        try:
            async with claimed.job.transaction() as session:
                await _tell_task(session, claimed, reason)
                held = {"id": claimed.job.id, "me": self.leases.me}
                await session.execute(step, held | parameters)
        except JobGone:
            await self._leave(claimed.job)
        except TenantNotReady as error:
            log.info("job.postponed", obstacle=str(error))  # the next beat hands it back

    async def _hand_back(self, job: Job) -> None:
        with suppress(Exception):  # else the lease runs out, and the job comes back a little later
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self.leases.release(job.id, job.place)

    async def _step(self, step: Any, place: UUID | None, **parameters: Any) -> Any:
        """Take one step on the outbox, which commits by itself."""
        async with tenancy.home(self.engine, place) as home, home.connect() as session:
            return (await session.execute(step, {"me": self.leases.me, **parameters})).one()


async def _run_through(task: Task[Any], job: Job, payload: msgspec.Struct) -> None:
    """Run a task, and at once again where another transaction was in its way.

    That is no failure of the task's: what its transaction did was rolled back for somebody else's
    sake. As after any of its statements, it goes on rather than repeats what was committed before.
    """
    for pause in CONFLICT_PAUSES:
        try:
            await task.run(job, payload)
        except Exception as error:
            if not is_conflict(error):
                raise
            log.info("job.conflict", reason=str(getattr(error, "orig", error)))
        else:
            return
        await asyncio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311
    await task.run(job, payload)


def _understood(claimed: _Claimed) -> tuple[Task[Any], msgspec.Struct]:
    """The task and what it is told.

    Raises:
        Unrecoverable: the job cannot be run, now or later.
    """
    task = claimed.task
    if task is None:
        raise Unrecoverable(f"no task is named {claimed.name!r}")
    try:
        payload: msgspec.Struct = msgspec.json.decode(claimed.payload, type=task.payload)
    except msgspec.ValidationError as error:
        raise Unrecoverable(f"the payload does not fit the task: {error}") from error
    if claimed.attempts > task.attempts:
        raise Unrecoverable("the worker died in each of its attempts")
    return task, payload


async def _tell_task(session: Session, claimed: _Claimed, reason: str) -> None:
    task = claimed.task
    if task is None or task.on_failure is None:
        return
    try:
        payload = msgspec.json.decode(claimed.payload, type=task.payload)
    except msgspec.ValidationError:
        return
    await task.on_failure(session, payload, reason)
