"""Tenancy by schemas: an organization's tables are in a schema that only its role can reach."""

from uuid import UUID

from app.database import Session
from app.tenancy.fan_out import migrate_tenants
from app.tenancy.organizations import (
    IDENTITY_SQL,
    TENANT,
    TENANT_COLUMN,
    TENANT_FUNCTION,
    TenantTable,
    organization_json,
    why_no_tenant,
)

__all__ = [
    "ENTER",
    "IDENTITY_SQL",
    "ISOLATION_SQL",
    "MODEL",
    "PROCESSES",
    "TENANT",
    "TENANT_COLUMN",
    "TENANT_FUNCTION",
    "TenantTable",
    "migrate_tenants",
    "organization_json",
    "recycle",
    "why_no_tenant",
]

ENTER = "app.enter_schema"
PROCESSES = {"provisioner": ("schemas", "serve")}
MODEL = "schemas"
ISOLATION_SQL = ("0001_members.sql", "0001_schemas.sql")

MOST_SCHEMAS = 200
"""So many tenants one connection serves: the server keeps the tables that it saw in its memory."""


async def recycle(session: Session, tenant_id: UUID) -> None:
    """End a connection that has seen many schemas, after a transaction of a tenant."""
    raw = await session.get_raw_connection()
    seen: set[UUID] = raw.info.setdefault("tenants", set())
    seen.add(tenant_id)
    if len(seen) > MOST_SCHEMAS:
        await session.invalidate()
