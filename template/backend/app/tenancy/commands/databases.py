"""Tenants are organizations, each with a database that can be moved."""

from typing import Annotated

import typer

from app.dev.command import development_servers
from app.tenancy.commands.organizations import (
    LABEL,
    NAMES,
    ROLES,
    TENANT,
    UNUSED,
    create,
)

__all__ = ["LABEL", "MORE", "NAMES", "ROLES", "TENANT", "UNUSED", "create"]


def move(
    name: Annotated[str, typer.Argument(help=f"The {TENANT}: {NAMES}.")],
    to: Annotated[
        str, typer.Option(help='A name in TENANT_SERVERS, or "default": the control database\'s.')
    ],
    abort: Annotated[
        bool, typer.Option("--abort", help="Undo a move that was interrupted, instead.")
    ] = False,
) -> None:
    """Move a tenant's database to another server, while the product runs.

    While it is copied the tenant can be read and not changed: such requests get 503 with
    Retry-After, jobs wait. The copy is compared row by row before anybody is sent there.
    Interrupted, run it again: it goes on, or begins anew.
    """
    from app.tenancy import move as moving

    with development_servers():
        if abort:
            moving.abort(name, to)
        else:
            moving.move(name, to)


MORE = (move,)
