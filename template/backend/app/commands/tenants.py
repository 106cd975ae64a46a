"""`app tenants`. Commands import what they need when they run, so that `--help` answers at once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.command_choices import tenancy
from app.dev.command import development_servers

group = typer.Typer(
    no_args_is_help=True,
    help="Whoever owns data: see, create, suspend, resume, export and delete them. Runs as"
    " MIGRATION_DATABASE_URL. Every change is in the tenant's audit trail.",
)

_Name = Annotated[str, typer.Argument(help=f"The {tenancy.TENANT}: {tenancy.NAMES}.")]
_Reason = Annotated[str | None, typer.Option(help="Why, for whoever looks later.")]


class _State(StrEnum):
    """What `tenants list` can be asked for."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class _Format(StrEnum):
    """How `tenants export` writes rows."""

    JSON = "json"
    CSV = "csv"


@group.command("list")
def list_tenants(
    state: Annotated[_State | None, typer.Option(help="Only those in this state.")] = None,
) -> None:
    """Show every tenant: id, state and since when, the provider's id and names; oldest first."""
    from app.tenancy import lifecycle

    with development_servers():
        lifecycle.list_tenants(None if state is None else state.value)


@group.command("show")
def show_tenant(name: _Name) -> None:
    """Show one tenant as JSON: its state, its rows in each table, its jobs and files."""
    from app.tenancy import lifecycle

    with development_servers():
        lifecycle.show(name)


group.command("create")(tenancy.create)
for _command in tenancy.MORE:
    group.command()(_command)


@group.command("suspend")
def suspend_tenant(name: _Name, reason: _Reason = None) -> None:
    """Stop serving a tenant at once: requests get 403, sockets close, jobs wait. Nothing is lost.

    Undo it with `tenants resume`.
    """
    from app.tenancy import lifecycle

    with development_servers():
        lifecycle.suspend(name, reason)


@group.command("resume")
def resume_tenant(name: _Name) -> None:
    """Serve a suspended tenant again; jobs that waited run."""
    from app.tenancy import lifecycle

    with development_servers():
        lifecycle.resume(name)


@group.command("export")
def export_tenant(
    name: _Name,
    output: Annotated[
        Path | None,
        typer.Option(help="The file to make; by default tenant-ID-TIME.zip in this folder."),
    ] = None,
    form: Annotated[
        _Format, typer.Option("--format", help="json: one document a line. csv: with a header.")
    ] = _Format.JSON,
) -> None:
    """Write everything of one tenant into a zip file: rows, audit trail, files, and a manifest.

    All rows are read as they were at one moment, while the product runs. The manifest says how many
    rows each file has, and its SHA-256.
    """
    from app.tenancy.export import export

    with development_servers():
        export(name, output, form.value)


@group.command("delete")
def delete_tenant(
    name: _Name,
    yes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Its name once more, for a script; else you are asked to type it."
        ),
    ] = None,
    reason: _Reason = None,
) -> None:
    """Delete a tenant for good: closed at once, then rows, jobs and files, step by step.

    Its audit trail stays, and its id as a tombstone. Interrupted, run it again: it goes on where it
    was. Nothing but a backup brings the data back, so export it first.
    """
    from app.tenancy.erasure import delete

    with development_servers():
        delete(name, yes, reason)
