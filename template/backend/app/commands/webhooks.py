"""`app webhooks`. Commands import what they need when they run: `--help` answers at once."""

from typing import Annotated

import typer

from app.dev.command import development_servers

group = typer.Typer(
    no_args_is_help=True,
    help="Messages of the sign-in provider that could not be applied. To try one again, have the"
    " provider send it again.",
)

_MessageId = Annotated[str, typer.Argument(help="The message's id, from `webhooks list`.")]


@group.command("list")
def list_messages() -> None:
    """Show the messages that could not be applied: id, time, reason; the oldest first."""
    from app.features.webhooks import operate

    with development_servers():
        operate.list_messages()


@group.command("show")
def show_message(message: _MessageId) -> None:
    """Print one as it came. It may hold personal data."""
    from app.features.webhooks import operate

    with development_servers():
        operate.show(message)


@group.command("drop")
def drop_message(message: _MessageId) -> None:
    """Forget one, as dealt with by hand."""
    from app.features.webhooks import operate

    with development_servers():
        operate.drop(message)
