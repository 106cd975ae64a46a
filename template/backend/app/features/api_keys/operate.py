"""What an operator can do about API keys. Runs as the role that migrates, and is audited."""

from datetime import UTC, datetime
from uuid import UUID

import typer

from app.tenancy.operate import at_home, connect, visible

_LINE = "{:36}  {:8}  {:16}  {:16}  …{:4}  {}"


def list_keys(name: str) -> None:
    """Print the keys of a tenant, one a line, the oldest first."""
    with connect() as connection, at_home(connection, name) as (tenant, home):
        keys = home.execute("select * from app.keys_of(%s)", (tenant.id,)).fetchall()
    if not keys:
        typer.echo(f"{tenant.title} has no keys.")
        return
    typer.echo(_LINE.format("id", "state", "created", "used", "ends", "user, name, scopes"))
    now = datetime.now(UTC)
    for key_id, key_name, ending, subject, scopes, *moments in keys:
        created_at, used_at, expires_at, revoked_at = moments
        state = "revoked" if revoked_at else "expired" if expires_at <= now else "good"
        used = f"{used_at:%Y-%m-%d %H:%M}" if used_at else "-"
        shown = f"{subject}, {visible(key_name)}, {' '.join(scopes)}"
        created = f"{created_at:%Y-%m-%d %H:%M}"
        typer.echo(_LINE.format(str(key_id), state, created, used, ending, shown))


def revoke_key(name: str, key_id: UUID) -> None:
    """Revoke a key.

    Raises:
        SystemExit: the tenant has no such key.
    """
    with connect() as connection, at_home(connection, name) as (tenant, home):
        row = home.execute("select app.revoke_key(%s, %s)", (tenant.id, key_id)).fetchone()
    if row != (True,):
        raise SystemExit(f"{tenant.title} has no key {key_id}. `app api-keys list` shows them.")
    typer.echo(f"{key_id} is refused from now on.")
