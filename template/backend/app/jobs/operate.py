"""What an operator can do about dead letters. Runs as the worker's login."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from app.database import Session, create_engine
from app.settings import get_settings

_DEAD = text("""
    select id, task, org_id, attempts, failed_at, error from app.outbox
    where failed_at is not null order by failed_at
""")
_RETRY = text("""
    update app.outbox
    set failed_at = null, attempts = 0, handed_at = null, run_after = now(), delivery = delivery + 1
    where failed_at is not null and (cast(:id as uuid) is null or id = :id)
    returning id
""")


async def list_dead() -> None:
    """Print the dead letters as a table."""
    async with _session() as session:
        dead = (await session.execute(_DEAD)).all()
    if not dead:
        typer.echo("No dead letters.")
        return
    table = Table("job", "task", "organization", "attempts", "failed at", "error")
    for job in dead:
        failed_at = f"{job.failed_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            str(job.id), job.task, str(job.org_id), str(job.attempts), failed_at, job.error
        )
    Console().print(table)


async def retry(job_id: UUID | None) -> None:
    """Revive one dead letter, or all of them."""
    async with _session() as session:
        revived = (await session.execute(_RETRY, {"id": job_id})).all()
    if job_id is not None and not revived:
        raise SystemExit(f"{job_id} is not a dead letter. `app jobs list` shows those there are.")
    typer.echo(f"{len(revived)} job(s) will run again.")


@asynccontextmanager
async def _session() -> AsyncIterator[Session]:
    engine = create_engine(get_settings(), application_name="operator")
    try:
        async with engine.connect() as session:
            yield session
    finally:
        await engine.dispose()
