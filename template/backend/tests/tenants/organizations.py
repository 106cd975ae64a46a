"""Tenants as tests need them: organizations, each with an owner, a colleague and a former owner."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from app.dev.choices import provider
from app.dev.servers import Connections

NAMED = "(select id from public.organizations where external_id = %s)"
"""The id of the tenant with this external id, in SQL."""

SEEN = "select string_agg(external_id, ' ') from organizations"
"""The external ids of the tenants that a session sees."""

PEOPLE_POLICY = "self_and_colleagues"
"""The policy that says whom a session sees in `users`."""

UNSCOPED = {"public.organizations": "id = %(id)s"}
"""Tables without a tenant column, and the condition that a row is the tenant's."""

ALONE = frozenset(
    {
        ("get", "/api/v1/organizations"),
        ("post", "/api/v1/organizations"),
        ("post", "/api/v1/organizations/{organization_id}/choose"),
        ("post", "/api/v1/invitations/accept"),
    }
)
"""What people do as nobody's member, whatever organization their token names."""

MANAGED = ("/api/v1/organizations/", "/api/v1/invitations", "/api/v1/members/")
"""Where organizations are managed, which is refused for those of the provider, as they are here."""

OUTSIDERS = ("removed member",)
"""People with genuine tokens who must not reach a tenant, as `Tenant.outsiders` makes them."""

_FOR_EVERY_ROW = "id = (select app.current_org_id()) and current_setting('app.tenant_id') <> ''"

MUTATIONS = (
    (
        "everybody's organizations",
        "alter policy own_organization on public.organizations using (true)",
        "policy-tenant: public.organizations, policy own_organization",
    ),
    (
        "function for every organization",
        f"alter policy own_organization on public.organizations using ({_FOR_EVERY_ROW})",
        "policy-initplan: public.organizations, policy own_organization",
    ),
    (
        "everybody's memberships",
        "alter policy tenant_select on public.memberships using (true)",
        "policy-tenant: public.memberships, policy tenant_select",
    ),
    (
        "memberships that change unseen",
        "alter table public.memberships disable trigger audit_update",
        "audit-triggers: public.memberships",
    ),
)
"""What the doctor must notice: a name, the statements, and the check with its object."""

BEFORE_ERASURE: tuple[tuple[str, str], ...] = ()
"""What an operator does with a person before erasing them, as words after `app`."""

FINDINGS: Mapping[str, tuple[str, ...]] = {}
"""What it says of a missing protection of every model, where that differs here."""


def claims(name: str, subject: str | None = None, role: str = "admin") -> dict[str, object]:
    """What a token says of the tenant's own person, or of somebody who names this tenant."""
    return {
        "sub": subject or provider.subject(name),
        "org_id": external_id(name),
        "org_slug": name,
        "org_role": role,
        "iat": 1_700_000_000,
    }


def id_of(me: Mapping[str, Any]) -> UUID:
    """The tenant of somebody to whom `/me` answers this."""
    return UUID(me["organization"]["id"])


@dataclass(frozen=True)
class Tenant:
    """An organization and the subject and id of its owner."""

    name: str
    id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        return provider.subject(self.name)

    @property
    def former(self) -> str:
        """The subject of an owner who was removed."""
        return provider.subject(f"former_{self.name}")

    @property
    def insider(self) -> str:
        """The subject of somebody who sees what is the tenant's, as long as it is served."""
        return provider.subject(f"colleague_{self.name}")

    @property
    def outsiders(self) -> dict[str, str]:
        """The claims of each of OUTSIDERS."""
        return {OUTSIDERS[0]: self.claims(self.former)}

    @property
    def words(self) -> list[str]:
        """What only the tenant's own answers may hold."""
        return [str(self.id), external_id(self.name), self.subject]

    def claims(self, subject: str | None = None, role: str = "admin") -> str:
        """A token's claims: the owner's, or those of somebody who names this tenant."""
        return json.dumps(claims(self.name, subject, role))


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make an organization; `secret` is its name and its owner's."""
    row = admin.execute(
        """
        with org as (
            insert into public.organizations (external_id, slug, name)
            values (%(external_id)s, %(name)s, %(secret)s) returning id
        ),
        people as (
            insert into public.users (subject, name) values
                (%(owner)s, %(secret)s), (%(former)s, null), (%(colleague)s, null)
            returning id, subject
        ),
        members as (
            insert into public.memberships (org_id, user_id, role, status, removed_at)
            select org.id, p.id, 'owner',
                case when p.subject = %(former)s then 'removed' else 'active' end,
                case when p.subject = %(former)s then now() end
            from org, people p
        )
        select org.id, p.id from org, people p where p.subject = %(owner)s
        """,
        {
            "name": name,
            "external_id": external_id(name),
            "secret": secret,
            "owner": provider.subject(name),
            "former": provider.subject(f"former_{name}"),
            "colleague": provider.subject(f"colleague_{name}"),
        },
    ).fetchone()
    assert row is not None
    return Tenant(name, *row)


def schema_of(_: UUID) -> str:
    """Where a tenant's tables are."""
    return "public"


def external_id(name: str) -> str:
    """The provider's id of the tenant of this name."""
    return f"org_{name}"


def prepare(migrate: Callable[[], object], _connections: Connections) -> None:
    """Migrate a database: then tenants' rows can be in it."""
    migrate()


def ids(admin: psycopg.Connection[Any], tenant: Tenant) -> dict[str, str]:
    """What paths may name of a tenant beside the rows of its features."""
    member = admin.execute(
        "select id from public.memberships where org_id = %s and user_id = %s",
        [tenant.id, tenant.user_id],
    ).fetchall()[0][0]
    invitation = admin.execute(
        "insert into public.invitations (org_id, email, role, expires_at)"
        " values (%s, %s, 'member', now() + interval '1 day') returning id",
        [tenant.id, f"secret-{tenant.name}@example.com"],
    ).fetchall()[0][0]
    return {
        "organization_id": str(tenant.id),
        "member_id": str(member),
        "invitation_id": str(invitation),
    }
