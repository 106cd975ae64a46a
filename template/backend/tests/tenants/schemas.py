"""Tenants as tests need them: organizations that have tables of their own."""

from typing import Any
from urllib.parse import quote

import psycopg

from app.dev.postgres import OWNER
from app.tenancy import fan_out
from app.tenancy.fan_out import migrate_tenant
from tests.tenants import rows
from tests.tenants.rows import OWN_PEOPLE, UNSCOPED, Tenant, find, former

__all__ = ["OWN_PEOPLE", "UNSCOPED", "Tenant", "find", "former", "make", "schema_of"]


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make an organization and its tables; `secret` is its name and its owner's."""
    tenant = rows.make(admin, name, secret)
    at = admin.info
    address = f"{quote(at.user)}:{quote(at.password)}@{at.host}:{at.port}/{at.dbname}"
    failure = migrate_tenant(f"postgresql://{address}?options=-crole%3D{OWNER}", tenant.id)
    assert failure is None, failure
    return tenant


def schema_of(tenant: Tenant) -> str:
    """Where the tenant's tables are."""
    return fan_out.schema_of(tenant.id)
