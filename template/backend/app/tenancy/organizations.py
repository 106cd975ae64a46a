"""What the models have in common in which tenants are organizations."""

from pydantic import BaseModel
from sqlalchemy import bindparam, select
from sqlalchemy.sql.expression import ScalarSelect

from app.auth.identity import Identity
from app.features.organizations.models import Organization
from app.json_sql import json_object
from app.orm import table_of


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
