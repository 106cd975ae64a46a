"""`app users`. Commands import what they need when they run, so that `--help` answers at once."""

from typing import Annotated

import typer

from app.dev.command import development_servers

group = typer.Typer(no_args_is_help=True, help="People, and what is kept about them.")


@group.callback()
def users() -> None:
    """People, and what is kept about them."""


@group.command()
def erase(
    name: Annotated[
        str, typer.Argument(help="Their id, the sign-in provider's or ours, or their address.")
    ],
    yes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The same once more, for a script; else you are asked."),
    ] = None,
    ownerless: Annotated[
        bool, typer.Option(help="Even if an organization is left without an owner.")
    ] = False,
) -> None:
    """Erase a person: name, address, memberships, keys, invitations. For good, from now on.

    Their id stays, so that a token that is still valid does not bring them back, and the audit
    trail as it is: it holds no name and no address. Interrupted, run it again. Erase them at the
    sign-in provider as well.
    """
    from app.features.me.operate import erase as run

    with development_servers():
        run(name, yes, ownerless=ownerless)
