"""Keys of people who share an organization."""

from collections.abc import Callable
from typing import Any

import pytest

from app.dev.choices import provider
from tests.choices import tenants
from tests.conftest import Connection
from tests.test_api_keys import KEYS, Person, as_key, person, somebody

__all__ = ["person", "somebody"]


@pytest.fixture
async def colleague(person: Person, somebody: Callable[..., Any]) -> Person:
    made: Person = await somebody("member", org=person.name)
    return made


def change(as_admin: Connection, whom: Person, words: str) -> None:
    changed = as_admin.execute(
        f"update public.memberships set {words} where org_id = %s and user_id ="
        " (select id from public.users where subject = %s)".encode(),
        (whom.tenant_id, provider.subject(whom.name)),
    )
    assert changed.rowcount == 1


async def test_a_member_sees_their_own_keys_and_an_admin_all(
    person: Person, colleague: Person
) -> None:
    assert colleague.tenant_id == person.tenant_id
    _, mine = await person.make(name="mine")
    key, theirs = await colleague.make(name="theirs")
    assert [item["name"] for item in await colleague.keys()] == ["theirs"]
    assert [item["name"] for item in await person.keys()] == ["theirs", "mine"]
    assert await colleague.revoke(mine["id"]) == 404
    assert await person.revoke(theirs["id"]) == 204
    assert await person.reads(key) == 401


async def test_nobody_gives_a_key_more_than_they_have(colleague: Person) -> None:
    response = await colleague.api.post(
        KEYS, headers=colleague.headers, json={"name": "r", "scopes": ["audit:read"]}
    )
    assert response.json()["type"] == "urn:problem:scope-not-allowed"


@pytest.mark.parametrize("role", ["owner", "admin", "member", "viewer"])
async def test_each_role_is_told_what_its_keys_may_be_allowed(
    somebody: Callable[..., Any], role: str
) -> None:
    one: Person = await somebody(role)
    told = await one.told_scopes()
    assert told == await one.possible_scopes()
    assert ("audit:read" in told) is (role in {"owner", "admin"})
    assert (told == []) is (role == "viewer")


async def test_a_key_shrinks_with_the_role_of_its_person(
    colleague: Person, as_admin: Connection
) -> None:
    key, _ = await colleague.make("contacts:read", "contacts:write")
    new = {"name": "Ada", "email": "ada@example.com"}
    change(as_admin, colleague, "role = 'viewer', role_as_of = 'infinity'")
    refused = await colleague.api.post("/api/v1/contacts", headers=as_key(key), json=new)
    assert refused.status_code == 403
    assert await colleague.reads(key) == 200


async def test_the_keys_of_who_was_removed_are_dead_and_stay_so(
    colleague: Person, as_admin: Connection
) -> None:
    key, _ = await colleague.make()
    change(as_admin, colleague, "status = 'removed', removed_at = now()")
    assert await colleague.reads(key) == 401
    change(as_admin, colleague, "status = 'active', removed_at = null")
    assert await colleague.reads(key) == 401
    again, _ = await colleague.make()
    assert await colleague.reads(again) == 200


async def test_no_key_puts_its_person_out(
    person: Person, colleague: Person, as_admin: Connection
) -> None:
    key, _ = await colleague.make("organization:read")
    # Of an organization that the product manages, people leave by themselves.
    as_admin.execute(
        "update public.organizations set managed_by = 'app', external_id = id::text where id = %s",
        (person.tenant_id,),
    )
    left = await colleague.api.delete("/api/v1/members/me", headers=as_key(key))
    assert (left.status_code, left.json()["title"]) == (403, "Not allowed")
    assert (await colleague.api.get("/api/v1/me", headers=as_key(key))).status_code == 200


async def test_a_viewer_has_no_keys(person: Person, somebody: Callable[..., Any]) -> None:
    viewer: Person = await somebody("viewer", org=person.name)
    assert tenants.external_id(person.name)
    assert (await viewer.api.get(KEYS, headers=viewer.headers)).status_code == 403
