"""What an operator can do about members. Runs as the role that migrates, and is audited."""

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from app.choices import tenancy
from app.database import psycopg_url
from app.settings import get_settings


def list_members(organization: str) -> None:
    """Print the members of an organization, removed ones included."""
    with _connect() as control, tenancy.home_named(control, organization) as operator:
        members = operator.execute("select * from app.members_of(%s)", (organization,)).fetchall()
    if not members:
        raise SystemExit(f"{organization!r} is no organization's slug or id, or it has no members.")
    table = Table("organization", "user", "id", "role", "status", "removed at")
    for member in members:
        table.add_row(*("" if value is None else str(value) for value in member))
    Console().print(table)


def set_membership(organization: str, person: str, *, active: bool) -> None:
    """Remove a member, or let a removed one in again."""
    query = "select app.set_membership(%s, %s, %s)"
    with _connect() as control, tenancy.home_named(control, organization) as operator:
        changed = operator.execute(query, (organization, person, active)).fetchone()
    if not changed or not changed[0]:
        state = "removed" if active else "an active"
        raise SystemExit(f"{person!r} is not {state} member of {organization!r}.")
    typer.echo(f"{person} is {'a member of' if active else 'out of'} {organization}.")


def _connect() -> psycopg.Connection:
    url = get_settings().migration_database_url
    if url is None:
        raise SystemExit("MIGRATION_DATABASE_URL is not set: operators act as that role.")
    return psycopg.connect(psycopg_url(url.get_secret_value()))
