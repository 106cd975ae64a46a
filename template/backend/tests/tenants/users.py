"""Tenants as tests need them: people."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

UNSCOPED = {"public.users": "id = %(user_id)s"}
"""Tables that say in no column whose a row is, and how the rows of a tenant are told apart."""

OWN_PEOPLE = "self"
"""The policy that says which people are seen."""


@dataclass(frozen=True)
class Tenant:
    """A person."""

    name: str
    id: UUID
    user_id: UUID

    @property
    def subject(self) -> str:
        return f"user_{self.name}"

    @property
    def words(self) -> list[str]:
        """What only the tenant's own answers may hold."""
        return [str(self.id), self.subject]

    def claims(self, subject: str | None = None) -> str:
        """A token's claims: the tenant's own, or those of somebody who names this tenant."""
        return json.dumps({"sub": subject or self.subject, "iat": 1})


def make(admin: psycopg.Connection[Any], name: str, secret: str = "T") -> Tenant:
    """Make a person; `secret` is their name."""
    row = admin.execute(
        """
        insert into public.users (subject, name) values ('user_' || %(name)s, %(secret)s)
        returning id, id
        """,
        {"name": name, "secret": secret},
    ).fetchone()
    assert row is not None
    return Tenant(name, *row)


def find(admin: psycopg.Connection[Any], name: str) -> UUID:
    """The id of the tenant that a token for this user brought here."""
    query = "select id from public.users where subject = 'user_' || %s"
    return UUID(str(admin.execute(query, [name]).fetchall()[0][0]))


def former(tenant: Tenant) -> str:
    """The subject of somebody who never belonged to the tenant: nobody else ever does."""
    return f"user_other_than_{tenant.name}"


def schema_of(_: Tenant) -> str:
    """Where the tenant's tables are."""
    return "public"
