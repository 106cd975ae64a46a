"""`app members`. Commands import what they need when they run, so that `--help` answers at once."""

from typing import Annotated

import typer

from app.dev.command import development_servers

group = typer.Typer(no_args_is_help=True, help="Who belongs to which organization.")


@group.command("list")
def list_members(
    org: Annotated[str, typer.Argument(help="The organization's slug or id.")],
) -> None:
    """Show who belongs to an organization, and who was removed."""
    from app.features.organizations import operate

    with development_servers():
        operate.list_members(org)


@group.command("remove")
def remove_member(
    org: Annotated[str, typer.Argument(help="The organization's slug or id.")],
    user: Annotated[str, typer.Argument(help="The user's id, the provider's or ours.")],
) -> None:
    """Remove a member at once, whatever its token says. Undo it with `members restore`."""
    from app.features.organizations import operate

    with development_servers():
        operate.set_membership(org, user, active=False)


@group.command("restore")
def restore_member(
    org: Annotated[str, typer.Argument(help="The organization's slug or id.")],
    user: Annotated[str, typer.Argument(help="The user's id, the provider's or ours.")],
) -> None:
    """Let a removed member in again."""
    from app.features.organizations import operate

    with development_servers():
        operate.set_membership(org, user, active=True)
