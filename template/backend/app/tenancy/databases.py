"""Tenancy by databases: an organization has a database of its own, on this server or another."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Session, psycopg_url
from app.tenancy import fan_out
from app.tenancy.fan_out import *
from app.tenancy.organizations import *
from app.tenancy.organizations import PEOPLE_SQL
from app.tenancy.pools import *
from app.tenancy.pools import Databases
from app.tenancy.rounds import *
from app.tenancy.servers import *
from app.tenancy.servers import UnknownServerError
from app.tenancy.session import Copy

ENTER = "app.enter_database"
PROCESSES = {"provisioner": ("databases", "serve")}
MODEL = "databases"
HOMES = "^public$"
REVISIONS = "select unnest(app.schema_versions())"
ISOLATION_SQL = (*PEOPLE_SQL, "0001_databases.sql")
CHECKS: tuple[tuple[str, str, str], ...] = ()


@asynccontextmanager
async def routed(engine: AsyncEngine, claims: Mapping[str, Any]) -> AsyncIterator[AsyncEngine]:
    """The pool of the database in which these claims are proven.

    Who names no organization, or one whose database is not made yet, meets the control database.
    Connections that lead to one database and know no other lead there.
    """
    place = await engine.find(claims) if isinstance(engine, Databases) else None
    if place is None or not isinstance(engine, Databases):
        yield engine
    else:
        async with engine.connections(place) as found:
            yield found


def reroute(engine: AsyncEngine, claims: Mapping[str, Any]) -> None:
    """Ask anew where that database is, the next time."""
    if isinstance(engine, Databases):
        engine.forget(claims)


async def tell_control(engine: AsyncEngine, query: Executable, **parameters: object) -> None:
    """After a commit: bring the control database's copy of who belongs where up to date."""
    if isinstance(engine, Databases):
        await engine.ask(query, **parameters)


@asynccontextmanager
async def home(engine: AsyncEngine, tenant_id: UUID | None) -> AsyncIterator[AsyncEngine]:
    """The pool of the database in which a tenant's rows and jobs are."""
    async with routed(engine, {} if tenant_id is None else {"place": str(tenant_id)}) as found:
        yield found


def replica(_engine: AsyncEngine, _settings: object) -> Copy | None:
    """No copy answers here: each tenant's database may be on a server of its own."""
    return None


def places() -> fan_out.Places:
    """Where tenants' tables are, for whoever makes them."""
    from app.tenancy.database_places import DatabasePlaces

    return DatabasePlaces()


def migrate_tenants(url: str) -> None:
    """Bring the template, then every tenant's database to the current version."""
    from app.tenancy import database_places

    database_places.migrate_tenants(url)


def make_place(url: str, tenant_id: UUID) -> None:
    """Make the database of a new tenant now, rather than when the provisioner hears of it."""
    fan_out.make_place(url, places(), tenant_id)


def remove_place(_owner: psycopg.Connection, _tenant_id: UUID) -> None:
    """A deleted tenant's database stays: its audit trail is in it."""


def schema_of(_tenant_id: UUID) -> str:
    """The schema in which a tenant's tables are, in its database."""
    return "public"


@contextmanager
def at_home(connection: psycopg.Connection, tenant_id: UUID) -> Iterator[psycopg.Connection]:
    """An operator's connection to a tenant's database.

    Args:
        connection: The operator's, to the control database.
        tenant_id: Whose database.

    Raises:
        SystemExit: it is not made yet, or is being moved and cannot be changed.
    """
    from app.tenancy.operate import owner_url

    found = connection.execute(
        "select server, database from app.known_places() where id = %s and revision is not null",
        (tenant_id,),
    ).fetchone()
    if found is None:
        raise SystemExit(
            f"The database of {tenant_id} is not made yet. `uv run app migrate` makes it, and says"
            " what is in the way."
        )
    url = _owner_url(owner_url(), *found)
    with psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=10,
        client_encoding="utf8",
        application_name="operator",
    ) as other:
        other.execute(
            "select set_config('app.request_id', %s, false)",
            connection.execute("select coalesce(app.request_id(), '')").fetchone(),
        )
        try:
            yield other
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise SystemExit(
                f"Nothing was changed for {tenant_id}: {error.diag.message_primary}. Run the"
                " command again when `app tenants move` has ended."
            ) from None


@contextmanager
def home_named(connection: psycopg.Connection, name: str) -> Iterator[psycopg.Connection]:
    """The same, by whatever the tenant is called; where nobody is, the connection that it got."""
    found = connection.execute(
        "select id from app.known_tenants() where %(name)s in (external_id, label, id::text)"
        " order by %(name)s = id::text desc, %(name)s = external_id desc limit 2",
        {"name": name},
    ).fetchall()
    if not found:
        yield connection
        return
    with at_home(connection, found[0][0]) as other:
        yield other


def databases_of(url: str) -> Iterator[str]:
    """The control database and every tenant's, each once, as whoever the URL logs in."""
    from app.tenancy import database_places

    yield url
    with psycopg.connect(psycopg_url(url), autocommit=True, connect_timeout=10) as control:
        try:
            known = {(server, name): None for _, server, name in database_places.places(control)}
        except psycopg.errors.InsufficientPrivilege:
            raise SystemExit(
                "The tenants' databases are known to their owner: set MIGRATION_DATABASE_URL."
            ) from None
    for server, database in known:
        yield _owner_url(url, server, database)


def _owner_url(url: str, server: str, database: str) -> str:
    from app.tenancy.database_places import owner_url_of

    try:
        return owner_url_of(url, server, database)
    except UnknownServerError as error:
        raise SystemExit(f"The database {database} cannot be reached: {error}.") from None


async def recycle(_session: Session, _tenant_id: UUID) -> None:
    """Nothing to do after a transaction: a connection knows one tenant's tables."""
