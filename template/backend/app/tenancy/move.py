"""Moves a tenant's database to another server, in a short time in which it can only be read.

At every moment one database at most takes changes, whatever is killed: the old one stops before it
is copied, and the new one begins after the control database has said that it is the tenant's. What
an interrupted move left at the new place is dropped by the next one, unless it is the tenant's by
then; that one only has to be opened.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg
import typer
from psycopg import sql
from psycopg.rows import class_row

from app.migrations import configure_logins, owner_roles, revisions_of
from app.settings import get_settings
from app.tenancy.database_places import (
    copy_template,
    exists,
    maintenance,
    owner_url_of,
    template_name,
)
from app.tenancy.fan_out import turn
from app.tenancy.operate import Connection, Tenant, connect, find, owner_url, record
from app.tenancy.servers import DEFAULT, UnknownServerError

_PATIENCE = 120.0
"""Seconds to wait for whoever uses a database that has to stop, or to go."""

_POLL = 0.05

# In the template already, or only about processes that knew the old place.
_LEFT_OUT = (
    *("app.here", "app.marks", "app.workers", "app.schedules", "app.realtime_tickets"),
    "public.tenant_databases",
)

# Nobody sees everything: the trail is read by its owner, the control tables by the helpers' role,
# and the rows of tenants by who operates on this one.
_TABLES = """
select n.nspname as schema, c.relname as relation,
    array(
        select a.attname::text from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        order by a.attnum
    ) as columns,
    case
        when n.nspname = 'audit' then 'app_audit'
        when has_table_privilege('app_definer', c.oid, 'select') then 'app_definer'
        else 'app_operator'
    end as reader,
    c.oid::bigint as oid,
    array(
        select k.confrelid::bigint from pg_constraint k
        where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid
    ) as refers_to
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'app_migrations')
  and not format('%%s.%%s', n.nspname, c.relname) = any(%s)
order by n.nspname, c.relname
"""

_PARTITIONS = """
select c.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_class c join pg_inherits i on i.inhrelid = c.oid
where i.inhparent = 'audit.events'::regclass order by 1
"""


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    relation: str
    columns: list[str]
    reader: str
    oid: int
    refers_to: list[int]

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.relation}"

    @property
    def id(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.relation)

    @property
    def fields(self) -> sql.Composed:
        return sql.SQL(", ").join(map(sql.Identifier, self.columns))


def move(name: str, server: str) -> None:
    """Move a tenant's database, or finish a move that was interrupted.

    Args:
        name: The tenant, by an id, ours or the provider's, or its label.
        server: Where to, as the settings call it.

    Raises:
        SystemExit: the move is impossible, or the copy differs. The tenant is served from where it
            was, unless the message says otherwise.
    """
    with connect() as control:
        tenant = find(control, name)
        with _alone(control, tenant.id):
            at, database = _place(control, tenant)
            if at == server:
                _finish(tenant, server, database)
                return
            try:
                _move(control, tenant, (at, database), server)
            except UnknownServerError as error:
                raise SystemExit(f"{tenant.title} stays where it is: {error}.") from None
    typer.echo(
        f"{tenant.title} is on {server}. Its old database on {at} refuses whoever still comes. When"
        f' you need it no more: drop database "{database}"'
    )


def abort(name: str, server: str) -> None:
    """Undo a move that was interrupted: the tenant is served from where it was.

    Raises:
        SystemExit: the move is past that point.
    """
    with connect() as control:
        tenant = find(control, name)
        with _alone(control, tenant.id):
            at, database = _place(control, tenant)
            if at == server:
                raise SystemExit(
                    f"{tenant.title} is on {server} already. Run the move again without --abort: it"
                    " has only to be finished."
                )
            with psycopg.connect(owner_url_of(owner_url(), at, database), autocommit=True) as old:
                _set(old, tenant.id, "open")
                with (
                    maintenance(owner_url(), server) as admin,
                    owner_roles(old),
                    owner_roles(admin),
                ):
                    # The roles that the interrupted move had borrowed are given back with these.
                    _drop(admin, database)
    typer.echo(f"{tenant.title} is served from {at}, as before.")


@contextmanager
def _alone(control: Connection, tenant_id: UUID) -> Iterator[None]:
    # A migration borrows the same roles, and gives them back.
    control.execute("select pg_advisory_lock(hashtext('app migrate'))")
    with turn(control, tenant_id):
        yield


def _place(control: Connection, tenant: Tenant) -> tuple[str, str]:
    found = control.execute(
        "select server, database from app.known_places() where id = %s and revision is not null",
        (tenant.id,),
    ).fetchone()
    if found is None:
        raise SystemExit(f"{tenant.title} has no database yet: `uv run app migrate` makes it.")
    return found[0], found[1]


def _finish(tenant: Tenant, server: str, database: str) -> None:
    with psycopg.connect(owner_url_of(owner_url(), server, database), autocommit=True) as home:
        (state,) = home.execute("select state from app.where_am_i()").fetchall()[0]
        if state == "open":
            typer.echo(f"{tenant.title} is on {server} already.")
            return
        _close_elsewhere(tenant, server, database)
        _open(home, tenant, server)
    # What the interrupted move had borrowed, wherever it had: with this it is given back.
    for other in (DEFAULT, *get_settings().migration_tenant_servers):
        with maintenance(owner_url(), other) as admin, owner_roles(admin):
            pass
    typer.echo(f"The move of {tenant.title} to {server} is finished.")


def _close_elsewhere(tenant: Tenant, server: str, database: str) -> None:
    """Send away who still comes to the tenant's old database, which the move died too early to do.

    Else a process that knows no better would go on reading there what is changed here.
    """
    for other in {DEFAULT, *get_settings().migration_tenant_servers} - {server}:
        # Where no server answers, nobody reads either; giving back the roles says so afterwards.
        with suppress(psycopg.OperationalError):
            with maintenance(owner_url(), other) as admin:
                if not exists(admin, database):
                    continue
            there = owner_url_of(owner_url(), other, database)
            with psycopg.connect(there, autocommit=True) as old:
                query = "select from app.where_am_i() where owner = %s"
                if old.execute(query, (tenant.id,)).fetchone() is not None:
                    _set(old, tenant.id, "moved")


def _move(control: Connection, tenant: Tenant, at: tuple[str, str], server: str) -> None:
    database = at[1]
    with ExitStack() as stack:
        admin = stack.enter_context(maintenance(owner_url(), server))
        _drop(admin, database)
        copy_template(admin, template_name(control.info.dbname), database)
        old, new = (
            stack.enter_context(psycopg.connect(owner_url_of(owner_url(), *place), autocommit=True))
            for place in (at, (server, database))
        )
        for home in (old, new):
            home.execute("set timezone = 'UTC'")
            home.execute("set datestyle = 'ISO'")
        if revisions_of(old) != revisions_of(new):
            raise SystemExit(
                f"{at[0]} and {server} are not at the same version: run `uv run app migrate` first."
            )
        configure_logins(new, get_settings())
        stack.enter_context(owner_roles(old))
        stack.enter_context(owner_roles(new))
        began = time.monotonic()
        _set(old, tenant.id, "moving")
        try:
            _wait_for_writers(old)
            _copy(old, new, tenant.id)
            rows = _compare(old, new, tenant.id)
        except BaseException:
            _set(old, tenant.id, "open")
            raise
        control.execute("select app.move_place(%s, %s, %s)", (tenant.id, server, database))
        _set(old, tenant.id, "moved")
        _open(new, tenant, server, was=at[0])
        took = time.monotonic() - began
    control.execute("select app.mark_tenant(%s)", (tenant.id,))
    typer.echo(f"{rows} rows copied and compared; no changes were taken for {took:.1f} seconds.")


def _open(home: Connection, tenant: Tenant, server: str, was: str | None = None) -> None:
    _set(home, tenant.id, "open")
    record(home, tenant.id, "tenant.moved", {"to": server, "from": was})


def _set(home: psycopg.Connection, tenant_id: UUID, state: str) -> None:
    home.execute("select app.set_here('tenant', %s, %s)", (tenant_id, state))


def _drop(admin: psycopg.Connection, database: str) -> None:
    """Drop what an earlier move left, once nobody is connected to it any more."""
    statement = sql.SQL("drop database if exists {}").format(sql.Identifier(database))
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            admin.execute(statement)
        except psycopg.errors.ObjectInUse as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"What an earlier move left cannot be dropped: {error}") from None
            time.sleep(_POLL)
        else:
            return


def _wait_for_writers(old: psycopg.Connection) -> None:
    """Wait for transactions that began before the database could only be read."""
    query = "select unnest(app.open_transactions())"
    began = {found for (found,) in old.execute(query)}
    deadline = time.monotonic() + _PATIENCE
    while began:
        began &= {found for (found,) in old.execute(query)}
        if began and time.monotonic() > deadline:
            raise SystemExit(
                f"{len(began)} transaction(s) that began before have not ended for"
                f" {_PATIENCE:.0f} seconds: end them (pg_stat_activity), then run this again. The"
                " tenant is served from where it was."
            )
        if began:
            time.sleep(_POLL)


def _tables(home: psycopg.Connection) -> list[_Table]:
    """Every table, those that others refer to first."""
    with home.cursor(row_factory=class_row(_Table)) as cursor:
        remaining = cursor.execute(_TABLES.encode(), [list(_LEFT_OUT)]).fetchall()
    ordered: list[_Table] = []
    while remaining:
        waiting = {table.oid for table in remaining}
        free = [table for table in remaining if not waiting & set(table.refers_to)]
        if not free:
            names = ", ".join(table.name for table in remaining)
            raise SystemExit(f"{names} refer to each other in a circle: they cannot be copied.")
        ordered += free
        remaining = [table for table in remaining if table not in free]
    return ordered


@contextmanager
def _reading(home: psycopg.Connection, tenant_id: UUID) -> Iterator[None]:
    with home.transaction():
        home.execute("set transaction isolation level repeatable read")
        home.execute("select set_config('app.operated_tenant', %s, true)", (str(tenant_id),))
        yield


def _copy(old: psycopg.Connection, new: psycopg.Connection, tenant_id: UUID) -> None:
    tables = _tables(old)
    with _reading(old, tenant_id), new.transaction():
        _make_partitions(old, new)
        for table in tables:
            old.execute(f"set local role {table.reader}".encode())
            with _unguarded(new, table):
                read = sql.SQL("copy (select {} from {}) to stdout").format(table.fields, table.id)
                write = sql.SQL("copy {} ({}) from stdin").format(table.id, table.fields)
                with old.cursor().copy(read) as source, new.cursor().copy(write) as target:
                    for block in source:
                        target.write(block)
        _set(new, tenant_id, "moving")


def _make_partitions(old: psycopg.Connection, new: psycopg.Connection) -> None:
    """Give the copied trail the months that the old one has."""
    known = {name for name, _ in new.execute(_PARTITIONS)}
    new.execute("set local role app_audit")
    for name, bounds in old.execute(_PARTITIONS).fetchall():
        if name not in known:
            partition = sql.Identifier("audit", name)
            new.execute(
                sql.SQL("create table {} partition of audit.events {}").format(
                    partition, sql.SQL(bounds)
                )
            )
            new.execute("select audit.protect(%s::regclass)", (f"audit.{name}",))
    new.execute("reset role")


@contextmanager
def _unguarded(new: psycopg.Connection, table: _Table) -> Iterator[None]:
    """Let the owner write rows as they are: nobody else reaches this database yet."""
    is_trail = table.reader == "app_audit"
    if is_trail:
        new.execute("set local role app_audit")
    off, on = ["no force row level security"], ["force row level security"]
    if not is_trail:
        off.append("disable trigger user")
        on.append("enable trigger user")
    _alter(new, table, off)
    yield
    _alter(new, table, on)
    if is_trail:
        new.execute("reset role")


def _alter(new: psycopg.Connection, table: _Table, changes: list[str]) -> None:
    for change in changes:
        new.execute(sql.SQL("alter table {} {}").format(table.id, sql.SQL(change)))


def _compare(old: psycopg.Connection, new: psycopg.Connection, tenant_id: UUID) -> int:
    """Count and add up the rows of every table on both sides, and return how many there are."""
    sums = [_sums(home, tenant_id) for home in (old, new)]
    for table, found in sums[0].items():
        if sums[1].get(table) != found:
            raise SystemExit(
                f"The copy of {table} differs: {found} there, {sums[1].get(table)} here. Nothing"
                " was switched; the tenant is served from where it was."
            )
    return sum(count for count, _ in sums[0].values())


def _sums(home: psycopg.Connection, tenant_id: UUID) -> dict[str, tuple[int, str]]:
    sums = {}
    query = "select count(*), sum(hashtextextended(r::text, 0)::numeric)::text from {} r"
    with _reading(home, tenant_id):
        for table in _tables(home):
            home.execute(f"set local role {table.reader}".encode())
            sums[table.name] = home.execute(sql.SQL(query).format(table.id)).fetchall()[0]
            home.execute("reset role")
    return sums
