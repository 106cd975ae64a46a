"""`app jobs`. Commands import what they need when they run, so that `--help` answers at once."""

import asyncio
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from app.dev.command import development_servers

group = typer.Typer(no_args_is_help=True, help="Jobs that wait, and jobs that failed for good.")

_JobId = Annotated[UUID, typer.Argument(help="The job's id, from `jobs list`.")]
_DeadLetter = Annotated[UUID | None, typer.Argument(help="The job's id, from `jobs list`.")]
_Everything = Annotated[bool, typer.Option("--all", help="Every dead letter.")]


class _State(StrEnum):
    """What `jobs list` can be asked for."""

    DEAD = "dead"
    WAITING = "waiting"
    DELAYED = "delayed"
    PARKED = "parked"
    RUNNING = "running"
    CANCELLING = "cancelling"
    ALL = "all"


@group.command("list")
def list_jobs(
    state: Annotated[
        _State, typer.Option(help="Jobs in which state; parked: its tenant's limit is met.")
    ] = _State.DEAD,
) -> None:
    """Show jobs: unless told otherwise the dead letters, whose retries are used up."""
    from app.jobs import operate

    states = list(operate.STATES) if state is _State.ALL else [state.value]
    with development_servers():
        asyncio.run(operate.list_jobs(states))


@group.command("show")
def show_job(job_id: _JobId) -> None:
    """Show one job with its payload, as JSON."""
    from app.jobs import operate

    with development_servers():
        asyncio.run(operate.show(job_id))


@group.command("retry")
def retry_job(job_id: _DeadLetter = None, everything: _Everything = False) -> None:
    """Give a dead letter its attempts back; a worker picks it up at once."""
    from app.jobs import operate

    _require_one(job_id, everything)
    with development_servers():
        asyncio.run(operate.retry(job_id))


@group.command("discard")
def discard_job(job_id: _DeadLetter = None, everything: _Everything = False) -> None:
    """Forget a dead letter for good."""
    from app.jobs import operate

    _require_one(job_id, everything)
    with development_servers():
        asyncio.run(operate.discard(job_id))


@group.command("cancel")
def cancel_job(job_id: _JobId) -> None:
    """Cancel a job: one that waits never runs, one that runs is interrupted within seconds."""
    from app.jobs import operate

    with development_servers():
        asyncio.run(operate.cancel(job_id))


def _require_one(job_id: UUID | None, everything: bool) -> None:
    if (job_id is None) is not everything:
        raise typer.BadParameter("name one job, or say --all")
