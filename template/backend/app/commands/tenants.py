"""`app tenants`. Commands import what they need when they run, so that `--help` answers at once."""

from enum import StrEnum
from typing import Annotated

import typer

from app.dev.command import development_servers

group = typer.Typer(no_args_is_help=True, help="Who owns data here, and whether they are served.")

_Name = Annotated[str, typer.Argument(help="Our id, the provider's id, or the name in `list`.")]
_Reason = Annotated[
    str | None, typer.Option(help="Why; kept with the tenant and on the audit trail.")
]


class _State(StrEnum):
    """What `tenants list` can be asked for."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@group.command("list")
def list_tenants(
    state: Annotated[_State | None, typer.Option(help="Only tenants in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 200,
) -> None:
    """Show tenants, the oldest first."""
    from app.tenancy import operate

    with development_servers():
        operate.list_tenants(state.value if state else None, limit)


@group.command("show")
def show_tenant(name: _Name) -> None:
    """Show one tenant, as JSON."""
    from app.tenancy import operate

    with development_servers():
        operate.show(name)


@group.command("create")
def create_tenant(
    external_id: Annotated[
        str, typer.Argument(help="The id that the sign-in provider has for it, as tokens name it.")
    ],
    name: Annotated[
        str | None, typer.Option(help="What people call it: a slug, or a person's address.")
    ] = None,
    full_name: Annotated[str | None, typer.Option(help="Its name in full.")] = None,
) -> None:
    """Make a tenant before anyone has signed in, and print its id.

    Not needed as a rule: the first token that names a tenant makes it.
    """
    from app.tenancy import operate

    with development_servers():
        operate.create(external_id, name, full_name)


@group.command("suspend")
def suspend_tenant(name: _Name, reason: _Reason = None) -> None:
    """Refuse everything to a tenant, at once. Nothing is lost; undo it with `tenants resume`.

    Requests are answered 403, sockets closed within seconds. Jobs wait; one that runs stops before
    its next transaction, and goes on when the tenant is served again.
    """
    from app.tenancy import operate

    with development_servers():
        operate.set_state(name, "suspended", reason)


@group.command("resume")
def resume_tenant(name: _Name, reason: _Reason = None) -> None:
    """Serve a suspended tenant again, and give out the jobs that waited."""
    from app.tenancy import operate

    with development_servers():
        operate.set_state(name, "active", reason)
