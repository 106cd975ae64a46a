"""Supabase Auth's access token hook: which organization it names, and who may call it."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.dev.postgres import OWNER
from app.dev.servers import Connections
from tests.conftest import Connection
from tests.running import Platform

SUBJECT = "5b3c1d9e-0000-4000-8000-000000000001"
EVENT = {
    "user_id": SUBJECT,
    "claims": {"sub": SUBJECT, "role": "authenticated", "aal": "aal1"},
    "authentication_method": "password",
}


@pytest.fixture(scope="module")
def admin(platform: Platform, new_database: Callable[..., Connections]) -> Iterator[Connection]:
    """A database of the shape that Supabase gives: its logins are there before the product is."""
    with psycopg.connect(platform.postgres.admin_url, autocommit=True) as server:
        there = server.execute("select from pg_roles where rolname = 'supabase_auth_admin'")
        if there.fetchone() is None:  # else the host's layout has it
            server.execute("create role supabase_auth_admin nologin noinherit")
    # Not a copy: what the role may do is granted by a migration that finds it.
    connections = new_database(migrated=False)
    platform.migrate(connections)
    assert connections.admin is not None
    with psycopg.connect(connections.admin, autocommit=True) as admin:
        yield admin


def claims_of(admin: Connection, event: dict[str, Any] | None = None) -> dict[str, Any]:
    """The claims that Supabase would write, asking as the role that it asks as."""
    with admin.transaction():
        admin.execute("set local role supabase_auth_admin")
        row = admin.execute(
            "select app.add_organization_to_token(%s)", [json.dumps(event or EVENT)]
        ).fetchone()
    assert row is not None
    answer: dict[str, Any] = row[0]
    assert answer.keys() == EVENT.keys()
    return dict(answer["claims"])


def organization(admin: Connection, slug: str, *, managed_by: str = "app") -> str:
    """An organization in which the person is an admin, chosen just now."""
    (made,) = admin.execute(
        "with fresh as (select app.uuid_v7() as id), o as ("
        "  insert into organizations (id, external_id, slug, name, managed_by)"
        "  select id, id::text, %(slug)s, %(slug)s, %(by)s from fresh returning id),"
        " u as (insert into users (subject) values (%(subject)s)"
        "  on conflict (subject) do update set subject = excluded.subject returning id)"
        " insert into memberships (org_id, user_id, role, chosen_at)"
        " select o.id, u.id, 'admin', clock_timestamp() from o, u returning org_id::text",
        {"slug": slug, "by": managed_by, "subject": SUBJECT},
    ).fetchall()[0]
    return str(made)


def test_the_organization_that_was_chosen_last_is_in_the_token(admin: Connection) -> None:
    assert claims_of(admin) == EVENT["claims"], "somebody whom nobody knows yet"
    first = organization(admin, "first")
    expected = {"org_id": first, "org_slug": "first", "org_role": "admin"}
    assert claims_of(admin) == {**EVENT["claims"], **expected}
    second = organization(admin, "second")
    assert claims_of(admin)["org_id"] == second
    organization(admin, "theirs", managed_by="provider")
    assert claims_of(admin)["org_id"] == second

    admin.execute("update tenants set state = 'suspended' where id = %s", [second])
    assert claims_of(admin)["org_id"] == first
    admin.execute(
        "update memberships set status = 'removed', removed_at = now() where org_id = %s", [first]
    )
    assert claims_of(admin) == EVENT["claims"]


def test_of_others_nothing_is_said(admin: Connection) -> None:
    organization(admin, "mine")
    for nobody in ("nobody", None, str(UUID(int=0))):
        assert claims_of(admin, {**EVENT, "user_id": nobody}) == EVENT["claims"]


@pytest.mark.parametrize("role", ["app_api", "app_worker", "public", OWNER])
def test_nobody_else_may_call_it(admin: Connection, role: str) -> None:
    query = "select has_function_privilege(%s, 'app.add_organization_to_token(jsonb)', 'execute')"
    assert admin.execute(query, [role]).fetchone() == (False,)
    assert admin.execute(query, ["supabase_auth_admin"]).fetchone() == (True,)
