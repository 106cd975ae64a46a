"""What an operator can do about jobs. Runs as the worker's login."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from app.choices import tenancy
from app.database import Session
from app.settings import get_settings

MOST_LISTED = 200

_JOBS = text("""
    select app.job_state(j) as state, j.* from app.outbox j
    where app.job_state(j) = any(:states)
    order by j.failed_at nulls first, j.created_at
    limit :limit
""")
_JOB = text("select app.job_state(j) as state, j.* from app.outbox j where id = :id")
_RETRY = text("""
    update app.outbox
    set failed_at = null, attempts = 0, handed_at = null, run_after = now(), delivery = delivery + 1
    where failed_at is not null and (cast(:id as uuid) is null or id = :id)
      and not exists (
          select from app.outbox other
          where other.tenant_id = outbox.tenant_id and other.task = outbox.task
            and other.unique_key = outbox.unique_key and other.failed_at is null
      )
    returning id
""")
_DISCARD = text("""
    delete from app.outbox
    where failed_at is not null and (cast(:id as uuid) is null or id = :id)
    returning id
""")
_CANCEL = text("select app.cancel_job(:id)")

STATES = ("waiting", "delayed", "parked", "running", "cancelling", "dead")


async def list_jobs(states: list[str]) -> None:
    """Print the jobs in these states as a table, the oldest first."""
    parameters = {"states": states, "limit": MOST_LISTED + 1}
    found: list[Any] = []
    async for session in _sessions():
        found += await session.execute(_JOBS, parameters)
    if not found:
        typer.echo("No dead letters." if states == ["dead"] else "No such jobs.")
        return
    table = Table("job", "state", "task", "tenant", "attempts", "since", "error")
    for job in found[:MOST_LISTED]:
        since = job.failed_at or job.started_at or job.created_at
        table.add_row(
            *(str(job.id), job.state, job.task, str(job.tenant_id), str(job.attempts)),
            *(f"{since:%Y-%m-%d %H:%M:%S}", job.error or ""),
        )
    Console().print(table)
    if len(found) > MOST_LISTED:
        typer.echo(f"There are more than these {MOST_LISTED}.")


async def show(job_id: UUID) -> None:
    """Print everything that is known about one job, as JSON."""
    job = None
    async for session in _sessions():
        job = job or (await session.execute(_JOB, {"id": job_id})).mappings().one_or_none()
    if job is None:
        raise SystemExit(f"There is no job {job_id}: it is done, discarded, or never was.")
    typer.echo(json.dumps(dict(job), indent=2, default=str))


async def retry(job_id: UUID | None) -> None:
    """Revive one dead letter, or all of them."""
    revived = await _change(_RETRY, job_id)
    if job_id is not None and not revived:
        raise SystemExit(
            f"{job_id} is not a dead letter, or a job with the same key waits already. "
            "`app jobs list` shows the dead letters there are."
        )
    typer.echo(f"{len(revived)} job(s) will run again.")


async def discard(job_id: UUID | None) -> None:
    """Forget one dead letter, or all of them."""
    discarded = await _change(_DISCARD, job_id)
    if job_id is not None and not discarded:
        raise SystemExit(f"{job_id} is not a dead letter. `app jobs list` shows those there are.")
    typer.echo(f"{len(discarded)} job(s) discarded.")


async def cancel(job_id: UUID) -> None:
    """Cancel a job that waits or runs."""
    if not any(row[0] for row in await _change(_CANCEL, job_id)):
        raise SystemExit(
            f"{job_id} neither waits nor runs. A dead letter is ended with `app jobs discard`."
        )
    typer.echo(f"{job_id} is being cancelled: a worker ends it within seconds.")


async def _change(statement: Any, job_id: UUID | None) -> list[Any]:
    changed: list[Any] = []
    async for session in _sessions():
        await tenancy.announce(session)
        changed += await session.execute(statement, {"id": job_id})
    return changed


async def _sessions() -> AsyncIterator[Session]:
    """A session wherever there may be jobs."""
    engine = tenancy.create_engine(get_settings(), application_name="operator")
    try:
        async for home in tenancy.homes_with_jobs(engine):
            async with home.connect() as session:
                yield session
    finally:
        await engine.dispose()
