"""`app passwords`. It imports what it needs when it runs, so that `--help` answers at once."""

import typer

group = typer.Typer(no_args_is_help=True, help="The passwords of the logins.")


@group.callback()
def passwords() -> None:
    """The passwords of the logins."""


@group.command(name="set")
def set_() -> None:
    """Set APP_API_PASSWORD and APP_WORKER_PASSWORD, whichever is given, on every server.

    Then log in with each. Open connections stay open; docs/runbook.md says how processes that run
    go over to a new one without an interruption.
    """
    from app.dev.command import development_servers
    from app.passwords import rotate
    from app.settings import get_settings

    with development_servers():
        for login in rotate(get_settings()):
            typer.echo(f"{login} logs in with its new password.")
