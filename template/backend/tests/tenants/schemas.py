"""Tenants as tests need them: organizations that have tables of their own."""

from typing import Any
from urllib.parse import quote

import psycopg

from app.dev.postgres import OWNER
from app.tenancy.fan_out import migrate_tenant, schema_of
from tests.tenants import organizations
from tests.tenants.organizations import (
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
)

__all__ = [
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
    "make",
    "schema_of",
]


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make an organization and its tables; `secret` is its name and its owner's."""
    tenant = organizations.make(admin, name, secret)
    at = admin.info
    address = f"{quote(at.user)}:{quote(at.password)}@{at.host}:{at.port}/{at.dbname}"
    failure = migrate_tenant(f"postgresql://{address}?options=-crole%3D{OWNER}", tenant.id)
    assert failure is None, failure
    return tenant
