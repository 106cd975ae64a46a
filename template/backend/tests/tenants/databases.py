"""Tenants as tests need them: organizations that share one database of the shape of a tenant's.

So whatever a test says in SQL, it says to the database that the API and the workers use, and they
go there by the registry, as they go to a database that is one tenant's. That each tenant has one of
its own is for `test_databases.py`.
"""

from collections.abc import Callable

import psycopg
from psycopg import sql

from app.dev.postgres import OWNER
from app.dev.servers import Connections
from app.tenancy.database_places import DatabasePlaces, copy_template, template_name
from tests.tenants.organizations import (
    ALONE,
    BEFORE_ERASURE,
    FINDINGS,
    MANAGED,
    MUTATIONS,
    NAMED,
    OUTSIDERS,
    PEOPLE_POLICY,
    SEEN,
    UNSCOPED,
    Tenant,
    claims,
    external_id,
    id_of,
    ids,
    make,
    schema_of,
)

__all__ = [
    "ALONE",
    "BEFORE_ERASURE",
    "FINDINGS",
    "MANAGED",
    "MUTATIONS",
    "NAMED",
    "OUTSIDERS",
    "PEOPLE_POLICY",
    "SEEN",
    "UNSCOPED",
    "Tenant",
    "claims",
    "external_id",
    "id_of",
    "ids",
    "make",
    "prepare",
    "schema_of",
]

_REGISTER = """
create function public.register_here() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into public.tenant_databases (id, server, database, revision)
    values (new.id, 'default', current_database(), {revision});
    return null;
end;
$$;
create trigger register_here after insert on public.tenants
    for each row execute function public.register_here();
update app.here set kind = 'template', owner = null;
"""


def prepare(migrate: Callable[[], object], connections: Connections) -> None:
    """Migrate a database, and give it the shape of a tenant's, with any number of tenants."""
    migrate()
    assert connections.admin is not None
    server, _, database = connections.admin.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        name = sql.Identifier(database)
        # A pooler may still hold a connection to it.
        admin.execute(sql.SQL("drop database {} with (force)").format(name))
        copy_template(admin, template_name(database), database)
        admin.execute(sql.SQL("alter database {} owner to {}").format(name, sql.Identifier(OWNER)))
    # What belongs to the name of a database went with it.
    migrate()
    with psycopg.connect(connections.admin, autocommit=True) as admin:
        admin.execute(sql.SQL(_REGISTER).format(revision=DatabasePlaces().current()))
