"""Which jobs this worker runs: the database's word for it, asked again every two seconds.

A worker that is killed is silent, so its jobs come free for others; one that was silent too long
hears that its jobs are not its own any more, and stops.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import choices
from app.jobs.waiting import pause

log = structlog.get_logger()

BEAT = 2.0
"""Seconds between two signs of life."""

LEASE = timedelta(seconds=8)
"""How long a worker may be silent before its jobs are given to others."""

Interruption = Literal["cancelled", "lost"]

_BEAT = text("select job_id, is_cancelled from app.beat(:me, :lease)")
_RELEASE = text("select app.release_job(:id, :me)")


@dataclass(slots=True)
class Running:
    """A job in this process.

    Attributes:
        place: The tenant in whose database it is, where tenants have databases of their own.
        attempt: What runs it; None until the job is claimed.
        is_at_work: Whether the task's own code runs: the rest of an attempt ends by itself.
        interruption: Why the attempt was cancelled from here, if it was.
    """

    place: UUID | None = None
    attempt: asyncio.Task[None] | None = None
    is_at_work: bool = False
    interruption: Interruption | None = None


@dataclass
class Leases:
    """This worker's jobs. `me` is its name in the database, for the life of the process."""

    engine: AsyncEngine
    me: UUID = field(default_factory=uuid4)
    running: dict[UUID, Running] = field(default_factory=dict)

    async def keep(self, stop: asyncio.Event) -> None:
        """Say that this worker lives, until told to stop and for as long as a job runs."""
        while not stop.is_set() or self.running:
            try:
                await self.beat()
            except Exception:  # the database may be away: the next beat says what became of it
                log.warning("beat.failed", exc_info=True)
            await pause(stop, BEAT) if not stop.is_set() else await asyncio.sleep(BEAT / 10)

    async def beat(self) -> None:
        """One sign of life wherever a job runs.

        It interrupts jobs that were cancelled or given to another worker.
        """
        places = {None, *(job.place for job in self.running.values())}
        outcomes = await asyncio.gather(
            *(self.beat_at(place) for place in places), return_exceptions=True
        )
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def beat_at(self, place: UUID | None) -> None:
        """One sign of life in one database. Without it no job there can be held."""
        known = {job_id for job_id, job in self.running.items() if job.place == place}
        at_work = {job_id: self.running[job_id] for job_id in known}
        at_work = {job_id: job for job_id, job in at_work.items() if job.is_at_work}
        async with choices.tenancy.home(self.engine, place) as home, home.connect() as session:
            answer = await session.execute(_BEAT, {"me": self.me, "lease": LEASE})
            held: dict[UUID, bool] = {job.job_id: job.is_cancelled for job in answer}
        for job_id, job in at_work.items():
            if job_id not in held:
                _interrupt(job, "lost")
            elif held[job_id]:
                _interrupt(job, "cancelled")
        for job_id in held.keys() - known - self.running.keys():
            # Claimed on a connection that broke before it could tell us.
            await self.release(job_id, place)

    async def release(self, job_id: UUID, place: UUID | None = None) -> None:
        """Hand a job back unfinished: another worker goes on with it at once."""
        async with choices.tenancy.home(self.engine, place) as home, home.connect() as session:
            await session.execute(_RELEASE, {"id": job_id, "me": self.me})


def _interrupt(job: Running, why: Interruption) -> None:
    # It may have come to its end while the database was asked.
    if job.attempt is not None and job.is_at_work and job.interruption is None:
        job.interruption = why
        job.attempt.cancel()
