"""What an operator does with a tenant, but for exporting and deleting it."""

import json
from dataclasses import asdict
from uuid import UUID

import psycopg
import typer
from psycopg import sql
from psycopg.rows import class_row

from app.choices import tenancy
from app.command_choices import tenancy as words
from app.settings import get_settings
from app.storage import Storage
from app.tenancy.operate import (
    Connection,
    Tenant,
    acting_on,
    connect,
    find,
    owner_url,
    set_state,
    visible,
)
from app.tenancy.tables import tenant_tables

_PAGE_ROWS = 1000
_LIST = """
select * from app.known_tenants() t where %(state)s::text is null or t.state = %(state)s
"""
_LINE = "{:36}  {:9}  {:16}  {}"
_JOBS = """
select app.job_state(j), count(*) from app.outbox j where j.tenant_id = %s group by 1 order by 1
"""


def list_tenants(state: str | None) -> None:
    """Print tenants, one a line, the oldest first; those in one state, if it is given."""
    count = 0
    with (
        connect() as connection,
        connection.transaction(),
        connection.cursor("tenants", row_factory=class_row(Tenant)) as cursor,
    ):
        cursor.itersize = _PAGE_ROWS
        for tenant in cursor.execute(_LIST, {"state": state}):
            if count == 0:
                typer.echo(
                    _LINE.format("id", "state", "since", f"external id, {words.LABEL}, name")
                )
            names = (tenant.external_id, tenant.label, tenant.name)
            shown = ", ".join(visible(name) for name in names)
            since = f"{tenant.since:%Y-%m-%d %H:%M}"
            typer.echo(_LINE.format(str(tenant.id), tenant.state, since, shown))
            count += 1
    if count == 0:
        typer.echo(f"No {words.TENANT} yet." if state is None else f"None is {state}.")


def show(name: str) -> None:
    """Print one tenant as JSON: its state, its rows in each table, its jobs, its files."""
    with connect() as connection:
        tenant = find(connection, name)
        with tenancy.at_home(connection, tenant.id) as home:
            rows, jobs = _contents(home, tenant)
    files = [file.size for file in Storage(get_settings().storage_url).of(tenant.id).list()]
    answer = asdict(tenant) | {
        "rows": rows,
        "jobs": jobs,
        "files": {"count": len(files), "bytes": sum(files)},
    }
    typer.echo(json.dumps(answer, indent=2, default=str, ensure_ascii=False))


def _contents(home: Connection, tenant: Tenant) -> tuple[dict[str, int], dict[str, int]]:
    tables = tenant_tables(home, tenant.id)
    rows = {}
    with acting_on(home, tenant.id, snapshot=True):
        for table in tables:
            if not table.is_machinery:
                count = sql.SQL("select count(*) from {} where {}")
                query = count.format(table.id, table.is_mine)
                found = home.execute(query, {"tenant": tenant.id}).fetchone()
                rows[table.name] = found[0] if found else 0
        return rows, dict(home.execute(_JOBS, (tenant.id,)).fetchall())


def create(external_id: str, label: str | None, name: str | None) -> None:
    """Make a tenant that nobody has signed in to yet, and print its id."""
    with connect() as connection:
        same_label = "select external_id from app.known_tenants() where lower(label) = lower(%s)"
        taken = connection.execute(same_label, (label,)).fetchone()
        if taken and taken[0] != external_id:
            raise SystemExit(
                f"The {words.LABEL} {label!r} belongs to {taken[0]}: nothing was made, because"
                " two of the same could not be told apart."
            )
        made = _create(connection, external_id, label, name)
        if made is None:
            tenant = find(connection, external_id)
            raise SystemExit(
                f"{external_id!r} is {tenant.id} already, and {tenant.state}: nothing was made."
            )
    typer.echo(made)
    tenancy.make_place(owner_url(), made)


def _create(
    connection: psycopg.Connection, external_id: str, label: str | None, name: str | None
) -> UUID | None:
    query = "select app.create_tenant(%s, %s, %s)"
    try:
        made = connection.execute(query, (external_id, label, name)).fetchone()
    except psycopg.errors.CheckViolation as error:
        raise SystemExit(
            "Nothing was made: an id or a slug has 1 to 255 characters, a name up to 200, an email "
            f"up to 320. Postgres says: {error.diag.message_primary}"
        ) from None
    return made[0] if made else None


def suspend(name: str, reason: str | None) -> None:
    """Stop serving a tenant. Its rows stay; its jobs wait."""
    with connect() as connection:
        tenant = find(connection, name)
        if tenant.state == "deleted":
            raise SystemExit(f"{tenant.title} is deleted: there is nothing to suspend.")
        with tenancy.at_home(connection, tenant.id) as home:
            set_state(connection, home, tenant.id, "suspended", reason)
    if tenant.state == "suspended":
        typer.echo(f"{tenant.title} has been suspended since {tenant.since:%Y-%m-%d %H:%M}.")
        return
    typer.echo(
        f"{tenant.title} is suspended: requests get 403 from now on, sockets close within seconds, "
        f"jobs wait. `uv run app tenants resume {tenant.id}` undoes it."
    )


def resume(name: str) -> None:
    """Serve a suspended tenant again, and let its jobs run."""
    with connect() as connection:
        tenant = find(connection, name)
        if tenant.state == "deleted":
            raise SystemExit(
                f"{tenant.title} is deleted, and stays so: a new one needs an id of its own."
            )
        with tenancy.at_home(connection, tenant.id) as home:
            set_state(connection, home, tenant.id, "active", None)
    if tenant.state == "active":
        typer.echo(f"{tenant.title} was not suspended: it is served.")
        return
    typer.echo(f"{tenant.title} is served again, and its jobs run.")
