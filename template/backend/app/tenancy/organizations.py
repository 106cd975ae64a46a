"""What the models have in common in which tenants are organizations."""

from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import FetchedValue, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.expression import ScalarSelect

from app.auth.identity import Identity
from app.features.organizations.models import Organization
from app.json_sql import json_object
from app.orm import table_of
from app.tenancy.roles.organizations import ROLES, UNUSED

__all__ = [
    "CHANGES_SQL",
    "IDENTITY_SQL",
    "ROLES",
    "TENANT",
    "TENANT_COLUMN",
    "TENANT_FUNCTION",
    "UNUSED",
    "TenantTable",
    "organization_json",
    "why_no_tenant",
]

TENANT = "organization"
TENANT_COLUMN = "org_id"
TENANT_FUNCTION = "app.current_org_id"
IDENTITY_SQL = "0001_organizations.sql"
CHANGES_SQL = "0001_changes_organizations.sql"
PEOPLE_SQL = (
    "0001_members.sql",
    "0001_management.sql",
    "0001_invitations.sql",
    "0001_switching_organizations.sql",
)


class TenantTable:
    """Mixin of every model that belongs to a tenant.

    The database fills the column from the transaction's context and its policies check it, so
    application code neither reads nor writes it.
    """

    org_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())


def organization_json(schema: type[BaseModel]) -> ScalarSelect[object]:
    """The organization whose id is the parameter `tenant_id`, in the words of a schema."""
    return (
        select(json_object(schema, table_of(Organization)))
        .where(Organization.id == bindparam("tenant_id"))
        .scalar_subquery()
    )


def why_no_tenant(identity: Identity) -> str:
    """Why a person has no tenant, in words for them."""
    if identity.organization is None:
        return "This needs an organization, and the token names none: choose one, then retry."
    return "You are not a member of this organization."
