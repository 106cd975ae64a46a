"""Tenancy by rows: one set of tables, told apart by `org_id` and row level security."""

from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.orm import Mapped, mapped_column

from app.tenancy.organizations import organization_json, why_no_tenant

__all__ = [
    "IDENTITY_SQL",
    "ISOLATION_SQL",
    "TENANT",
    "TENANT_COLUMN",
    "TENANT_FUNCTION",
    "TenantTable",
    "organization_json",
    "why_no_tenant",
]

TENANT = "organization"
IDENTITY_SQL = "0001_organizations.sql"
ISOLATION_SQL = "0001_rows.sql"
TENANT_COLUMN = "org_id"
TENANT_FUNCTION = "app.current_org_id"


class TenantTable:
    """Mixin of every model that belongs to a tenant.

    The database fills the column from the transaction's context and its policies check it, so
    application code neither reads nor writes it.
    """

    org_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
