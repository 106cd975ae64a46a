"""A tenant's schema, and the role of the same name that reaches it."""

from uuid import UUID

import psycopg
from psycopg import sql

from app.revisions import head
from app.tenancy.fan_out import turn

__all__ = ["SchemaPlaces", "remove_place", "schema_of"]


class SchemaPlaces:
    """Places in schemas of the one database. See `fan_out.Places`."""

    def current(self) -> str:
        """The revision of a schema that is up to date."""
        return head("tenant")

    def bring(self, url: str, owner: psycopg.Connection, tenant_id: UUID) -> str:
        """Make a tenant's schema and role if there are none, and bring its tables up to date."""
        from app.migrations import upgrade

        _make(owner, tenant_id)
        upgrade(url, "tenant", schema=schema_of(tenant_id))
        return self.current()


def schema_of(tenant_id: UUID) -> str:
    """The name of a tenant's schema, and of its role."""
    return f"tenant_{tenant_id.hex}"


def remove_place(owner: psycopg.Connection, tenant_id: UUID) -> None:
    """Remove the schema and the role of a tenant who is deleted, and has no rows left."""
    name = schema_of(tenant_id)
    place = sql.Identifier(name)
    with turn(owner, tenant_id):
        owner.execute(sql.SQL("drop schema if exists {} cascade").format(place))
        owner.execute(sql.SQL("drop role if exists {}").format(place))


def _make(owner: psycopg.Connection, tenant_id: UUID) -> None:
    name = schema_of(tenant_id)
    known = owner.execute(
        "select exists (select from pg_roles where rolname = %(name)s),"
        " exists (select from pg_namespace where nspname = %(name)s)",
        {"name": name},
    ).fetchone()
    has_role, has_schema = known or (False, False)
    place = sql.Identifier(name)
    with owner.transaction():
        if not has_role:
            owner.execute(sql.SQL("create role {} nologin").format(place))
            owner.execute(sql.SQL("grant app_tenant to {}").format(place))
            owner.execute(sql.SQL("grant {} to app_api, app_worker").format(place))
        if not has_schema:
            owner.execute(sql.SQL("create schema {}").format(place))
            owner.execute(sql.SQL("grant usage on schema {0} to {0}").format(place))
