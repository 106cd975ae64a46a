"""What /metrics says about jobs, read from the outbox when Prometheus asks."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.metrics import Reading

_COUNTS = text("select * from app.job_counts()")


def readings(engine: AsyncEngine) -> dict[str, Reading]:
    """Gauges by name: how many jobs there are in each state, and how long the oldest waits."""

    async def read(column: str) -> float:
        async with engine.connect() as session:
            counts = (await session.execute(_COUNTS)).one()
        return float(getattr(counts, column))

    return {
        "jobs_waiting": Reading("Jobs that are due and wait.", lambda: read("waiting")),
        "jobs_delayed": Reading("Jobs for later, retries among them.", lambda: read("delayed")),
        "jobs_running": Reading("Jobs that a worker runs.", lambda: read("running")),
        "jobs_oldest_seconds": Reading("How long the oldest waits.", lambda: read("oldest")),
        "jobs_dead": Reading("Dead letters: retries used up.", lambda: read("dead")),
    }
