"""What the application asks of a queue. One module per backend answers, and only the wiring knows
which one it is.
"""  # noqa: D205

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

Run = Callable[[UUID], Awaitable[None]]
"""Runs the job with this id to its end, whatever that end is. Raises only if the outcome could not
be written down, so that the queue must deliver the job again."""


class Queue(Protocol):
    """Delivers job ids to workers, at least once, and again when a worker dies."""

    async def offer(self, job_id: UUID, delivery: int) -> None:
        """Put a job into the queue. The same pair a second time changes nothing."""

    async def work(self, run: Run, *, concurrency: int, stop: asyncio.Event, drain: float) -> None:
        """Run what is delivered until told to stop, then finish what has begun.

        Args:
            run: Runs one job.
            concurrency: How many jobs at a time.
            stop: Set when no new job may begin.
            drain: Seconds that a running job has left after that; then it goes back to the queue.
        """

    async def check(self) -> None:
        """Raise if the queue cannot be reached."""

    async def close(self) -> None:
        """Let go of every connection."""
