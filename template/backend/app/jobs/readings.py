"""What /metrics says about jobs, read from the outbox when Prometheus asks."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.metrics import Reading

_COUNTS = text("select * from app.job_counts()")


def readings(engine: AsyncEngine) -> dict[str, Reading]:
    """Gauges by name: how many jobs wait, how long the oldest has, how many are dead letters."""

    async def read(column: str) -> float:
        async with engine.connect() as session:
            counts = (await session.execute(_COUNTS)).one()
        return float(getattr(counts, column))

    return {
        "jobs_unfinished": Reading("Jobs that wait or run.", lambda: read("unfinished")),
        "jobs_oldest_seconds": Reading("Age of the oldest of them.", lambda: read("oldest")),
        "jobs_dead": Reading("Dead letters: retries used up.", lambda: read("dead")),
    }
