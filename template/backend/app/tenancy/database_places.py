"""A tenant's database: made from the template, migrated by itself, known to the control database.

The template is a database of the same shape without a tenant in it. `app migrate` keeps one on each
server at the current version, closed to connections, so that a copy of it is a tenant's database
within a tenth of a second.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from app.database import psycopg_url
from app.revisions import head
from app.settings import get_settings
from app.tenancy import fan_out
from app.tenancy.servers import DEFAULT, url_on

_LONGEST_NAME = 63
"""Of a Postgres identifier, in bytes."""


class DatabasePlaces:
    """Places in databases of their own. See `fan_out.Places`."""

    def current(self) -> str:
        """The revisions of a database that is up to date."""
        return " ".join(sorted((head("control"), head("tenant"))))

    def bring(self, url: str, owner: psycopg.Connection, tenant_id: UUID) -> str:
        """Make a tenant's database if there is none, and bring it up to date."""
        from app.migrations import configure_logins, migrate_whole, revisions_of

        settings = get_settings()
        name = _name(owner.info.dbname, tenant_id.hex)
        server, database = owner.execute(
            "select server, database from app.give_place(%s, %s, %s)",
            [tenant_id, settings.tenant_server, name],
        ).fetchall()[0]
        home_url = url_on(url, settings.migration_tenant_servers, server, database)
        with maintenance(url, server) as admin:
            if not exists(admin, database):
                copy_template(admin, template_name(owner.info.dbname), database)
        with psycopg.connect(home_url, autocommit=True) as home:
            _adopt(owner, home, tenant_id)
            if revisions_of(home) == self.current():
                configure_logins(home, settings)
                return self.current()
        return migrate_whole(home_url, settings)


def migrate_tenants(url: str) -> None:
    """Bring the templates, then every tenant's database to the current version.

    Raises:
        SystemExit: some failed, or a server is away; they are named, and all others are at the
            current version.
    """
    from app.migrations import owner_roles
    from app.passwords import set_passwords

    settings = get_settings()
    unreachable = []
    with ExitStack() as stack:
        with psycopg.connect(psycopg_url(url), autocommit=True) as owner:
            owner.execute("select app.set_here('control', null, 'open')")
            template = template_name(owner.info.dbname)
        for server in (DEFAULT, *settings.migration_tenant_servers):
            try:
                admin = stack.enter_context(maintenance(url, server))
            except psycopg.OperationalError as error:
                # The tenants of the others must not wait for it; its own are named as failed.
                unreachable.append(f"The server {server!r} cannot be reached: {error}".strip())
                continue
            if server != DEFAULT:
                stack.enter_context(owner_roles(admin))
                set_passwords(admin, settings)
            _bring_template(
                admin, url_on(url, settings.migration_tenant_servers, server, template), template
            )
        fan_out.migrate_tenants(url, DatabasePlaces())
    if unreachable:
        raise SystemExit("\n".join((*unreachable, "Run `app migrate` again when it can.")))


def template_name(control: str) -> str:
    """The name of the template that belongs to a control database."""
    return _name(control, "template")


def copy_template(admin: psycopg.Connection, template: str, database: str) -> None:
    """Make a database like the template.

    Args:
        admin: A connection to another database of the same server, as a role with CREATEDB.
        template: The template's name.
        database: The new one's.
    """
    admin.execute(
        sql.SQL("create database {} template {}").format(
            sql.Identifier(database), sql.Identifier(template)
        )
    )


def places(control: psycopg.Connection) -> Iterator[tuple[UUID, str, str]]:
    """Each tenant's id, the name of its server and of its database, for those that have one."""
    query = "select id, server, database from app.known_places() where revision is not null"
    yield from control.execute(query).fetchall()


def owner_url_of(url: str, server: str, database: str) -> str:
    """A tenant's database, as the role that owns it. `url` is the control database's."""
    return url_on(url, get_settings().migration_tenant_servers, server, database)


def _name(control: str, what: str) -> str:
    return f"{control[: _LONGEST_NAME - len(what) - 1]}_{what}"


@contextmanager
def maintenance(url: str, server: str) -> Iterator[psycopg.Connection]:
    """A connection to a server, to make databases there."""
    there = url_on(url, get_settings().migration_tenant_servers, server, None)
    with psycopg.connect(there, autocommit=True, connect_timeout=10) as admin:
        yield admin


def exists(admin: psycopg.Connection, database: str) -> bool:
    """Whether a server has a database of this name."""
    query = "select from pg_database where datname = %s"
    return admin.execute(query, [database]).fetchone() is not None


def _bring_template(admin: psycopg.Connection, url: str, template: str) -> None:
    from app.migrations import migrate_whole

    name = sql.Identifier(template)
    if not exists(admin, template):
        admin.execute(sql.SQL("create database {}").format(name))
    admin.execute(sql.SQL("alter database {} with allow_connections true").format(name))
    try:
        migrate_whole(url, get_settings())
    finally:
        # A database that somebody is connected to cannot be copied.
        admin.execute(sql.SQL("alter database {} with allow_connections false").format(name))


def _adopt(owner: psycopg.Connection, home: psycopg.Connection, tenant_id: UUID) -> None:
    """Write the tenant down in its database, with the state that it has in the control database."""
    query = "select organization, members, state, reason from app.founding_of(%s)"
    organization, members, state, reason = owner.execute(query, [tenant_id]).fetchall()[0]
    with home.transaction():
        adopted = [tenant_id, Jsonb(organization), Jsonb(members)]
        home.execute("select app.adopt_tenant(%s, %s, %s)", adopted)
        home.execute("select app.set_tenant_state(%s, %s, %s)", [tenant_id, state, reason])
