"""Tenancy by schemas: an organization's tables are in a schema that only its role can reach."""

from uuid import UUID

from app.database import Session
from app.tenancy import fan_out
from app.tenancy.fan_out import *
from app.tenancy.organizations import *
from app.tenancy.organizations import PEOPLE_SQL
from app.tenancy.schema_checks import *
from app.tenancy.schema_places import *
from app.tenancy.single import *

ENTER = "app.enter_schema"
PROCESSES = {"provisioner": ("schemas", "serve")}
MODEL = "schemas"
HOMES = "^tenant_[0-9a-f]{32}$"
REVISIONS = "select unnest(app.schema_versions()) union select app.revision_of(%(tenant)s)"
ISOLATION_SQL = (*PEOPLE_SQL, "0001_schemas.sql")

MOST_SCHEMAS = 200
"""So many tenants one connection serves: the server keeps the tables that it saw in its memory."""


def places() -> fan_out.Places:
    """Where tenants' tables are, for whoever makes them."""
    return SchemaPlaces()


def migrate_tenants(url: str) -> None:
    """Bring every tenant's schema to the current version."""
    fan_out.migrate_tenants(url, places())


def make_place(url: str, tenant_id: UUID) -> None:
    """Make the schema of a new tenant now, rather than when the provisioner hears of it."""
    fan_out.make_place(url, places(), tenant_id)


async def recycle(session: Session, tenant_id: UUID) -> None:
    """End a connection that has seen many schemas, after a transaction of a tenant."""
    raw = await session.get_raw_connection()
    seen: set[UUID] = raw.info.setdefault("tenants", set())
    seen.add(tenant_id)
    if len(seen) > MOST_SCHEMAS:
        await session.invalidate()
