"""What an operator can do about messages that could not be applied."""

import typer

from app.tenancy.operate import connect, visible

_LINE = "{:40}  {:16}  {}"


def list_messages() -> None:
    """Print them, one a line."""
    with connect() as connection:
        found = connection.execute("select id, received_at, reason from app.dead_messages()")
        messages = found.fetchall()
    if not messages:
        typer.echo("Every message was applied.")
        return
    typer.echo(_LINE.format("id", "received", "reason"))
    for message_id, received_at, reason in messages:
        typer.echo(_LINE.format(message_id, f"{received_at:%Y-%m-%d %H:%M}", visible(reason)))


def show(message: str) -> None:
    """Print the body of one.

    Raises:
        SystemExit: there is none of that id.
    """
    with connect() as connection:
        row = connection.execute(
            "select body from app.dead_messages() where id = %s", (message,)
        ).fetchone()
    if row is None:
        raise SystemExit(_unknown(message))
    typer.echo(row[0])


def drop(message: str) -> None:
    """Forget one.

    Raises:
        SystemExit: there is none of that id.
    """
    with connect() as connection:
        row = connection.execute("select app.drop_message(%s)", (message,)).fetchone()
    if row != (True,):
        raise SystemExit(_unknown(message))
    typer.echo(f"{message} is forgotten.")


def _unknown(message: str) -> str:
    return f"No message {message!r} waits for anybody. `app webhooks list` shows those that do."
