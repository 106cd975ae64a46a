"""What an operator types: `uv run app …`. Each command says in its help what it changes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
jobs = typer.Typer(no_args_is_help=True, help="Jobs that wait, and jobs that failed for good.")
members = typer.Typer(no_args_is_help=True, help="Who belongs to which organization.")
app.add_typer(jobs, name="jobs")
app.add_typer(members, name="members")

# Commands import what they need when they run, so that `--help` and `token` answer at once.


@contextmanager
def _development_servers() -> Iterator[None]:
    """On a developer's machine: those of `make dev`, or started for this command. Else nothing."""
    from app.dev.processes import DevelopmentError
    from app.dev.servers import dev_environment

    try:
        with dev_environment():
            yield
    except DevelopmentError as error:
        raise SystemExit(str(error)) from None


@app.command()
def api(
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    proxies: Annotated[
        str, typer.Option(help="Proxies whose X-Forwarded-For is believed, comma separated.")
    ] = "127.0.0.1",
    keep_alive: Annotated[
        int,
        typer.Option(
            help="Seconds that an idle connection is kept. Longer than the load balancer's own"
            " (60 is usual), or it now and then sends a request into a closing connection: a 502."
        ),
    ] = 75,
) -> None:
    """Serve the HTTP API."""
    import uvicorn

    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        forwarded_allow_ips=proxies,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=30,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=4096,
        ws_ping_interval=15,
        ws_ping_timeout=15,
    )


@app.command()
def worker() -> None:
    """Run jobs until told to stop, then finish those that have begun."""
    from app import worker as process

    process.main()


@app.command()
def migrate() -> None:
    """Bring the database to the current version: roles, tables, policies, logins."""
    from app.migrations import migrate as run
    from app.settings import get_settings

    with _development_servers():
        typer.echo(f"The database is at revision {run(get_settings())}.")


@app.command()
def doctor() -> None:
    """Check that the live database still isolates and audits: each failure comes with its cure.

    Exit 1 if something is wrong, 2 if the database cannot be reached.
    """
    from app.doctor import main

    with _development_servers():
        code = main()
    raise typer.Exit(code)


@app.command()
def dev(
    port: Annotated[
        int | None, typer.Option(envvar="API_PORT", help="The API's port; 8000 unless given.")
    ] = None,
    seed: Annotated[bool, typer.Option(help="Fill two demo organizations with data.")] = False,
) -> None:
    """Run everything on this machine: servers, migrations, API, worker; until Ctrl-C."""
    from app.dev.supervisor import run

    raise typer.Exit(run(port, seed))


@app.command()
def token(
    user: Annotated[str, typer.Option(help="Who signs in.")] = "u1",
    org: Annotated[str, typer.Option(help='The active organization; "" for none.')] = "acme",
    role: Annotated[str, typer.Option(help="owner, admin, member or viewer.")] = "admin",
    ttl: Annotated[int, typer.Option(help="Seconds until it expires.")] = 3600,
) -> None:
    """Print a token for development, as the sign-in provider would issue it."""
    from app.dev.tokens import token as print_token

    print_token(user, org, role, ttl)


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


@jobs.command("list")
def list_jobs(
    state: Annotated[
        _State, typer.Option(help="Jobs in which state; parked: its organization's limit is met.")
    ] = _State.DEAD,
) -> None:
    """Show jobs: unless told otherwise the dead letters, whose retries are used up."""
    from app.jobs import operate

    states = list(operate.STATES) if state is _State.ALL else [state.value]
    with _development_servers():
        asyncio.run(operate.list_jobs(states))


@jobs.command("show")
def show_job(job_id: _JobId) -> None:
    """Show one job with its payload, as JSON."""
    from app.jobs import operate

    with _development_servers():
        asyncio.run(operate.show(job_id))


@jobs.command("retry")
def retry_job(job_id: _DeadLetter = None, everything: _Everything = False) -> None:
    """Give a dead letter its attempts back; a worker picks it up at once."""
    from app.jobs import operate

    _require_one(job_id, everything)
    with _development_servers():
        asyncio.run(operate.retry(job_id))


@jobs.command("discard")
def discard_job(job_id: _DeadLetter = None, everything: _Everything = False) -> None:
    """Forget a dead letter for good."""
    from app.jobs import operate

    _require_one(job_id, everything)
    with _development_servers():
        asyncio.run(operate.discard(job_id))


@jobs.command("cancel")
def cancel_job(job_id: _JobId) -> None:
    """Cancel a job: one that waits never runs, one that runs is interrupted within seconds."""
    from app.jobs import operate

    with _development_servers():
        asyncio.run(operate.cancel(job_id))


def _require_one(job_id: UUID | None, everything: bool) -> None:
    if (job_id is None) is not everything:
        raise typer.BadParameter("name one job, or say --all")


@members.command("list")
def list_members(
    org: Annotated[str, typer.Argument(help="The organization's slug or id.")],
) -> None:
    """Show who belongs to an organization, and who was removed."""
    from app.features.organizations import operate

    with _development_servers():
        operate.list_members(org)


@members.command("remove")
def remove_member(
    org: Annotated[str, typer.Argument(help="The organization's slug or id.")],
    user: Annotated[str, typer.Argument(help="The user's id, the provider's or ours.")],
) -> None:
    """Remove a member at once, whatever its token says. Undo it with `members restore`."""
    from app.features.organizations import operate

    with _development_servers():
        operate.set_membership(org, user, active=False)


@members.command("restore")
def restore_member(
    org: Annotated[str, typer.Argument(help="The organization's slug or id.")],
    user: Annotated[str, typer.Argument(help="The user's id, the provider's or ours.")],
) -> None:
    """Let a removed member in again."""
    from app.features.organizations import operate

    with _development_servers():
        operate.set_membership(org, user, active=True)


if __name__ == "__main__":
    app()
