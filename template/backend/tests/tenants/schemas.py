"""Tenants as tests need them: organizations that have tables of their own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import psycopg

from app.dev.postgres import OWNER
from app.tenancy.fan_out import migrate_tenant
from app.tenancy.schema_places import SchemaPlaces, schema_of
from tests.tenants import organizations
from tests.tenants.organizations import (
    ALONE,
    BEFORE_ERASURE,
    MANAGED,
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
    prepare,
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

_OTHER = f"tenant_{'0' * 32}"

MUTATIONS = (
    *organizations.MUTATIONS,
    (
        "login that inherits from its tenants",
        "alter role app_api inherit",
        "tenant-roles: role app_api",
    ),
    (
        "table of a tenant that somebody else may read",
        "grant select on public.contacts to app_definer",
        "tenant-schemas: public.contacts",
        "policy-coverage: public.contacts, app_definer",
    ),
    (
        "tenant that acts for another",
        f"create role {_OTHER} nologin; grant app_definer to {_OTHER}",
        f"tenant-roles: role {_OTHER}",
        f"logins: role {_OTHER}",
    ),
)
"""What the doctor must notice: a name, the statements, and the check with its object."""

_GRANTED = "tenant-schemas: public.contacts"

FINDINGS: Mapping[str, tuple[str, ...]] = {
    "grant to a new role without a policy": (
        "policy-coverage: public.contacts, analyst",
        _GRANTED,
    ),
    "TRUNCATE granted": ("grants: public.contacts, app_api", _GRANTED),
    "TRIGGER granted": ("grants: public.contacts, app_worker", _GRANTED),
    "table granted to PUBLIC": (
        "grants: public.contacts",
        "policy-coverage: public.contacts, app_api",
        "policy-coverage: public.contacts, app_worker",
        _GRANTED,
    ),
    # A login does not inherit here, so that it holds nothing of what it may become.
    "API in the role of the trail's owner, through another": (
        "logins: role app_api",
        "logins: role go_between",
    ),
    "API in the role of the trail's owner": ("logins: role app_api",),
}
"""What it says of a missing protection of every model, where that differs here."""


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make an organization and its tables; `secret` is its name and its owner's."""
    tenant = organizations.make(admin, name, secret)
    at = admin.info
    address = f"{quote(at.user)}:{quote(at.password)}@{at.host}:{at.port}/{at.dbname}"
    failure = migrate_tenant(
        f"postgresql://{address}?options=-crole%3D{OWNER}", SchemaPlaces(), tenant.id
    )
    assert failure is None, failure
    return tenant
