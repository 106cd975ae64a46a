"""Tenants as tests need them: organizations, each with an owner and a former one."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

UNSCOPED = {"public.users": "id = %(user_id)s", "public.organizations": "id = %(tenant_id)s"}
"""Tables that say in no column whose a row is, and how the rows of a tenant are told apart."""

OWN_PEOPLE = "self_and_colleagues"
"""The policy that says which people are seen."""


@dataclass(frozen=True)
class Tenant:
    """An organization, its owner, and its former owner, whose subject is `former`."""

    name: str
    id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        return f"user_{self.name}"

    @property
    def words(self) -> list[str]:
        """What only the tenant's own answers may hold."""
        return [str(self.id), f"org_{self.name}", self.subject]

    def claims(self, subject: str | None = None) -> str:
        """A token's claims: the tenant's own, or those of somebody who names this tenant."""
        return json.dumps(
            {
                "sub": subject or self.subject,
                "org_id": f"org_{self.name}",
                "org_role": "admin",
                "iat": 1,
            }
        )


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make an organization; `secret` is its name and its owner's."""
    row = admin.execute(
        """
        with org as (
            insert into public.organizations (external_id, slug, name)
            values ('org_' || %(name)s, %(name)s, %(secret)s) returning id
        ),
        people as (
            insert into public.users (subject, name) values
                ('user_' || %(name)s, %(secret)s), ('user_former_' || %(name)s, null)
            returning id, subject, subject ~ 'former' as is_former
        ),
        members as (
            insert into public.memberships (org_id, user_id, role, status, removed_at)
            select org.id, p.id, 'owner', case when is_former then 'removed' else 'active' end,
                case when is_former then now() end
            from org, people p
        )
        select org.id, p.id from org, people p where not p.is_former
        """,
        {"name": name, "secret": secret},
    ).fetchone()
    assert row is not None
    return Tenant(name, *row)


def find(admin: psycopg.Connection[Any], name: str) -> UUID:
    """The id of the tenant that a token for this user and organization brought here."""
    query = "select id from public.organizations where external_id = 'org_' || %s"
    return UUID(str(admin.execute(query, [name]).fetchall()[0][0]))


def former(tenant: Tenant) -> str:
    """The subject of somebody who belonged to the tenant once."""
    return f"user_former_{tenant.name}"


def schema_of(_: Tenant) -> str:
    """Where the tenant's tables are."""
    return "public"
