"""`app users`. Commands import what they need when they run, so that `--help` answers at once."""

from pathlib import Path
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


@group.command()
def switch(
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV with the columns kind,before,after: user or organization, its id at the"
            " provider until now, its id at the next one. An organization without the last is the"
            " product's own to manage from now on.",
        ),
    ],
) -> None:
    """Keep people and organizations when another provider signs in: change the ids tokens have.

    Rows, memberships, keys and the trail stay. Run it between the old provider's last token and the
    new one's first; run again, it finds done what is done. See docs/updating.md.
    """
    from app.features.me.switching import switch as run

    with development_servers():
        run(file)
