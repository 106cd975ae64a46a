"""What the application asks of a queue. One module per backend answers, and only the wiring knows
which one it is.

The outbox knows everything about a job; a queue carries its id to a worker that is free.
"""  # noqa: D205

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

Accept = Callable[[str, str, Any], Awaitable[UUID]]
"""Takes in a job of another program: a token of the person it is for, the task's name and its
payload as plain values. Returns the job's id.

Raises:
    Refused: the token, the task or the payload is not acceptable, and never will be.
"""


class Run(Protocol):
    """Runs jobs."""

    async def __call__(self, job_id: UUID, place: UUID | None = None) -> None:
        """Run a job to its end, whatever that end is.

        Raises only if the outcome could not be written down, so that the queue must deliver the job
        again.

        Args:
            job_id: Which one.
            place: The tenant in whose database it is, where tenants have databases of their own.
        """


class Refused(Exception):  # noqa: N818  # an answer, not a fault
    """A job of another program was not taken in, for the reason given."""


class Delivery(NamedTuple):
    """One hand-over of a job; the next one has the next number."""

    job_id: UUID
    number: int
    place: UUID | None = None

    def __str__(self) -> str:
        return f"{self.job_id}.{self.number}"


class Queue(Protocol):
    """Delivers job ids to workers, at least once, and again when a worker dies."""

    async def work(self, run: Run, *, concurrency: int, stop: asyncio.Event, drain: float) -> None:
        """Run what is delivered until told to stop, then finish what has begun.

        Args:
            run: Runs one job.
            concurrency: How many jobs at a time.
            stop: Set when no new job may begin.
            drain: Seconds that a running job has left after that; then it is cancelled, and hands
                itself back.
        """

    async def tend(self, engine: AsyncEngine, stop: asyncio.Event) -> None:
        """Do what every worker does besides, until told to stop: whatever brings deliveries."""

    def intake(self, accept: Accept) -> AbstractAsyncContextManager[None]:
        """While it is open, take in jobs that other programs put into the queue."""

    async def check(self) -> None:
        """Raise if the queue cannot be reached."""

    async def close(self) -> None:
        """Let go of every connection."""


class Relayed(Protocol):
    """A queue outside the database: it is told about jobs after the commit that wrote them."""

    async def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries into the queue, safely there when this returns.

        The same one a second time changes nothing, or is found out when it arrives.
        """
