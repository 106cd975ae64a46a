"""Tenancy by rows: one set of tables, told apart by `org_id` and row level security."""

from app.tenancy.organizations import (
    IDENTITY_SQL,
    TENANT,
    TENANT_COLUMN,
    TENANT_FUNCTION,
    TenantTable,
    organization_json,
    why_no_tenant,
)
from app.tenancy.shared import (
    CHECKS,
    ENTER,
    HOMES,
    PROCESSES,
    REVISIONS,
    make_place,
    migrate_tenants,
    readings,
    recycle,
    remove_place,
    schema_of,
)
from app.tenancy.single import (
    Settings,
    announce,
    at_home,
    create_engine,
    databases_of,
    home,
    home_named,
    homes_with_jobs,
    reroute,
    routed,
    visit,
)

__all__ = [
    "CHECKS",
    "ENTER",
    "HOMES",
    "IDENTITY_SQL",
    "ISOLATION_SQL",
    "MODEL",
    "PROCESSES",
    "REVISIONS",
    "TENANT",
    "TENANT_COLUMN",
    "TENANT_FUNCTION",
    "Settings",
    "TenantTable",
    "announce",
    "at_home",
    "create_engine",
    "databases_of",
    "home",
    "home_named",
    "homes_with_jobs",
    "make_place",
    "migrate_tenants",
    "organization_json",
    "readings",
    "recycle",
    "remove_place",
    "reroute",
    "routed",
    "schema_of",
    "visit",
    "why_no_tenant",
]

MODEL = "rows"
ISOLATION_SQL = ("0001_members.sql", "0001_rows.sql")
