"""Deleting a tenant: closed first, then cleared in steps that may be interrupted and run again."""

import time

import typer
from obstore.exceptions import BaseError
from psycopg import sql

from app.choices import tenancy
from app.command_choices import tenancy as words
from app.settings import get_settings
from app.storage import Storage
from app.tenancy.operate import (
    Connection,
    Tenant,
    acting_on,
    at_home,
    connect,
    record,
    set_state,
)
from app.tenancy.tables import OwnedTable, deletion_order, tenant_tables

BATCH_ROWS = 2000
"""How many rows one transaction deletes. Each of them is a record in the audit trail too."""

_PATIENCE = 600.0
"""Seconds to wait for transactions that began to write before the tenant was closed."""

_POLL = 0.05

# A statement locks what it writes to before it takes its snapshot: whoever still believes that the
# tenant is served is in this list at the moment that the tenant is not.
_WRITERS = """
select distinct l.virtualtransaction from pg_locks l
where l.locktype = 'relation' and l.relation = any(%s::oid[]) and l.pid <> pg_backend_pid()
  and l.database = (select d.oid from pg_database d where d.datname = current_database())
  and l.mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                 'AccessExclusiveLock')
"""

# Of a tenant that owns much of a table, the planner would read that table from its beginning, past
# what is deleted already, for each batch.
_BY_INDEX = "set local enable_seqscan = off; set local enable_bitmapscan = off"


def delete(name: str, confirmation: str | None, reason: str | None) -> None:
    """Delete a tenant: rows, jobs, files. Its audit trail stays, and a tombstone.

    Args:
        name: An id, ours or the provider's, or the label.
        confirmation: The name once more; asked for when it is None.
        reason: Why, for the trail.

    Raises:
        SystemExit: the confirmation is not a name of the tenant, or something is in the way. What
            was deleted until then stays deleted; run again, it goes on from there.
    """
    with connect() as connection, at_home(connection, name) as (tenant, home):
        tables = [table for table in tenant_tables(home, tenant.id) if table.may_delete]
        _confirm(tenant, confirmation)
        set_state(connection, home, tenant.id, "deleted", reason)
        if tenant.state != "deleted":
            typer.echo(f"{tenant.title} is closed: nobody reaches it any more.")
        _wait_for_writers(home, tables)
        rows: dict[str, int] = {}
        for group in deletion_order(tables):
            for table, count in _clear(home, tenant, group).items():
                typer.echo(f"{table}: {count} rows deleted")
                rows[table] = count
        files = _delete_files(tenant)
        typer.echo(f"files: {files} deleted")
        tenancy.remove_place(connection, tenant.id)
        for known in dict.fromkeys((home, connection)):
            known.execute("select app.entomb_tenant(%s)", (tenant.id,))
        if files or any(rows.values()) or tenant.state != "deleted":
            record(home, tenant.id, "tenant.deleted", {"rows": rows, "files": files})
    typer.echo(
        f"{tenant.title} ({tenant.id}) is deleted. Its audit trail stays, and its id: a token that "
        "is still valid does not bring it back."
    )


def _confirm(tenant: Tenant, confirmation: str | None) -> None:
    if confirmation is None:
        typer.echo(
            f"This deletes the {words.TENANT} {tenant.title} ({tenant.id}): its rows, jobs and"
            " files. Only a backup would bring them back; `uv run app tenants export` first?"
        )
        confirmation = typer.prompt(f"Type {tenant.title} to delete it", "", show_default=False)
    if confirmation not in tenant.names:
        raise SystemExit(
            f"{confirmation!r} is not {tenant.title}: nothing was changed. Say its name exactly, "
            f"with --yes {tenant.title} in a script."
        )


def _wait_for_writers(connection: Connection, tables: list[OwnedTable]) -> None:
    oids = [table.oid for table in tables]
    began = {found for (found,) in connection.execute(_WRITERS, (oids,))}
    deadline = time.monotonic() + _PATIENCE
    while began:
        began &= {found for (found,) in connection.execute(_WRITERS, (oids,))}
        if began and time.monotonic() > deadline:
            raise SystemExit(
                f"{len(began)} transaction(s) that began before it was closed have been writing for"
                f" {_PATIENCE:.0f} seconds: end them (pg_stat_activity), then run this again."
            )
        if began:
            time.sleep(_POLL)


def _clear(connection: Connection, tenant: Tenant, tables: list[OwnedTable]) -> dict[str, int]:
    """Delete the tenant's rows of one table, batch by batch, or of a circle of tables at once."""
    if len(tables) > 1 or tables[0].oid in tables[0].refers_to:
        return _clear_together(connection, tenant, tables)
    (table,) = tables
    query = sql.SQL(
        "delete from {table} where {is_mine}"
        " and ctid = any(array(select ctid from {table} where {is_mine} limit {batch}))"
    ).format(table=table.id, is_mine=table.is_mine, batch=BATCH_ROWS)
    total = 0
    while True:
        with acting_on(connection, tenant.id):
            connection.execute(_BY_INDEX)
            deleted = connection.execute(query, {"tenant": tenant.id}).rowcount
        if not deleted:
            return {table.name: total}
        total += deleted


def _clear_together(
    connection: Connection, tenant: Tenant, tables: list[OwnedTable]
) -> dict[str, int]:
    # Foreign keys are checked when the whole statement has ended.
    steps = [
        sql.SQL("{} as (delete from {} where {} returning 1)").format(
            sql.Identifier(f"step_{number}"), table.id, table.is_mine
        )
        for number, table in enumerate(tables)
    ]
    counts = [
        sql.SQL("(select count(*) from {})").format(sql.Identifier(f"step_{number}"))
        for number in range(len(tables))
    ]
    comma = sql.SQL(", ")
    query = sql.SQL("with {} select {}").format(comma.join(steps), comma.join(counts))
    with acting_on(connection, tenant.id):
        found = connection.execute(query, {"tenant": tenant.id}).fetchone()
    return {table.name: count for table, count in zip(tables, found or (), strict=True)}


def _delete_files(tenant: Tenant) -> int:
    try:
        return Storage(get_settings().storage_url).of(tenant.id).delete_all()
    except (BaseError, OSError) as error:
        raise SystemExit(
            f"The rows are deleted, the files are not: {error}\n"
            "Check STORAGE_URL and its credentials, then run this again."
        ) from None
