"""Tenants as tests need them: people."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from app.dev.choices import provider
from app.dev.servers import Connections

NAMED = "(select id from public.users where subject = %s)"
"""The id of the tenant with this external id, in SQL."""

SEEN = "select string_agg(subject, ' ') from users"
"""The external ids of the tenants that a session sees."""

PEOPLE_POLICY = "self"
"""The policy that says whom a session sees in `users`."""

UNSCOPED: dict[str, str] = {}
"""Tables without a tenant column, and the condition that a row is the tenant's."""

ALONE: frozenset[tuple[str, str]] = frozenset()
"""What people do as nobody's member: nothing, as everybody is a tenant."""

MANAGED: tuple[str, ...] = ()
"""Where organizations are managed: there are none."""

OUTSIDERS = ("newcomer who names the person's id",)
"""People with genuine tokens who must not reach a tenant, as `Tenant.outsiders` makes them."""

MUTATIONS: tuple[tuple[str, str, str], ...] = ()
"""What else the doctor must notice: a name, the statements, and the check with its object."""

BEFORE_ERASURE: tuple[tuple[str, str], ...] = (("tenants", "delete"),)
"""What an operator does with a person before erasing them, as words after `app`."""

FINDINGS: Mapping[str, tuple[str, ...]] = {}
"""What it says of a missing protection of every model, where that differs here."""


def claims(name: str, subject: str | None = None) -> dict[str, object]:
    """What a token says of a person, or of somebody who names them as their organization."""
    if subject is None:
        return {"sub": external_id(name), "iat": 1_700_000_000}
    return {"sub": subject, "org_id": external_id(name), "org_role": "owner", "iat": 1_700_000_000}


def id_of(me: Mapping[str, Any]) -> UUID:
    """The tenant of somebody to whom `/me` answers this."""
    return UUID(me["user"]["id"])


@dataclass(frozen=True)
class Tenant:
    """A person."""

    name: str
    id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        return external_id(self.name)

    @property
    def insider(self) -> str:
        """The subject of somebody who sees what is the tenant's, as long as it is served."""
        return self.subject

    @property
    def outsiders(self) -> dict[str, str]:
        """The claims of each of OUTSIDERS."""
        by_id = {
            "sub": provider.subject(f"other_{self.name}"),
            "org_id": str(self.id),
            "iat": 1_700_000_000,
        }
        return {OUTSIDERS[0]: json.dumps(by_id)}

    @property
    def words(self) -> list[str]:
        """What only the tenant's own answers may hold."""
        return [str(self.id), self.subject]

    def claims(self, subject: str | None = None) -> str:
        """A token's claims: the person's, or those of somebody who names this tenant."""
        return json.dumps(claims(self.name, subject))


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make a person; `secret` is their name."""
    row = admin.execute(
        """
        insert into public.users (subject, name) values (%(subject)s, %(secret)s)
        returning id, id
        """,
        {"subject": external_id(name), "secret": secret},
    ).fetchone()
    assert row is not None
    return Tenant(name, *row)


def schema_of(_: UUID) -> str:
    """Where a tenant's tables are."""
    return "public"


def external_id(name: str) -> str:
    """The provider's id of the tenant of this name."""
    return provider.subject(name)


def prepare(migrate: Callable[[], object], _connections: Connections) -> None:
    """Migrate a database: then tenants' rows can be in it."""
    migrate()


def ids(_: psycopg.Connection[Any], __: Tenant) -> dict[str, str]:
    """What paths may name of a tenant beside the rows of its features."""
    return {}
