"""`app api-keys`. Commands import what they need when they run: `--help` answers at once."""

from typing import Annotated
from uuid import UUID

import typer

from app.command_choices import tenancy
from app.dev.command import development_servers

group = typer.Typer(no_args_is_help=True, help="The keys with which programs act.")

_TENANT = typer.Argument(help=f"The {tenancy.TENANT}: {tenancy.NAMES}.")


@group.command("list")
def list_keys(tenant: Annotated[str, _TENANT]) -> None:
    """Show the keys of a tenant, revoked and expired ones included."""
    from app.features.api_keys import operate

    with development_servers():
        operate.list_keys(tenant)


@group.command("revoke")
def revoke_key(
    tenant: Annotated[str, _TENANT],
    key: Annotated[UUID, typer.Argument(help="The key's id, as `api-keys list` shows it.")],
) -> None:
    """Revoke a key at once, as when it was found where it does not belong."""
    from app.features.api_keys import operate

    with development_servers():
        operate.revoke_key(tenant, key)
