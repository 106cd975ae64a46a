"""Tenants as tests need them: organizations in a database of the shape that a tenant's has."""

from tests.tenants.organizations import (
    FINDINGS,
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
    make,
    schema_of,
)

__all__ = [
    "FINDINGS",
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
