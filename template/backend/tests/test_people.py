"""A person is a tenant of their own, whatever organization their token names."""

import uuid

import httpx

from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.running import Platform
from tests.test_contacts import add
from tests.test_users import types


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_somebody_new_is_their_own_master(
    api: httpx.AsyncClient, token: MintToken, as_admin: Connection
) -> None:
    name = uuid.uuid4().hex
    me = (await api.get("/api/v1/me", headers=bearer(token(name, None)))).json()
    assert (me["organization"], me["role"]) == (None, "owner")
    assert {"contacts:write", "imports:write", "audit:read"} <= set(me["permissions"])
    spoken_of = {permission.partition(":")[0] for permission in me["permissions"]}
    assert not spoken_of & {"organization", "members", "invitations"}
    found = as_admin.execute(
        f"select id, state from public.tenants where id = {tenants.NAMED}",
        [tenants.external_id(name)],
    ).fetchall()
    assert found == [(tenants.id_of(me), "active")]


async def test_an_organization_in_the_token_changes_nothing(
    api: httpx.AsyncClient, token: MintToken
) -> None:
    name, organization = uuid.uuid4().hex, uuid.uuid4().hex
    alone, together, as_viewer = (
        bearer(claimed)
        for claimed in (
            token(name, None),
            token(name, organization, "admin"),
            token(name, organization, "viewer"),
        )
    )
    added = await add(api, as_viewer, email="ann@example.org")
    assert added.status_code == 201
    for headers in (alone, together):
        listed = (await api.get("/api/v1/contacts", headers=headers)).json()["items"]
        assert listed == [added.json()]

    colleague = bearer(token(uuid.uuid4().hex, organization, "owner"))
    assert (await api.get("/api/v1/contacts", headers=colleague)).json()["items"] == []
    path = f"/api/v1/contacts/{added.json()['id']}"
    assert (await api.get(path, headers=colleague)).status_code == 404


async def test_nobody_becomes_another_by_naming_them(
    api: httpx.AsyncClient, token: MintToken
) -> None:
    victim, attacker = uuid.uuid4().hex, uuid.uuid4().hex
    theirs = (await add(api, bearer(token(victim, None)))).json()
    who = (await api.get("/api/v1/me", headers=bearer(token(victim, None)))).json()["user"]
    for claimed in (who["id"], who["subject"], victim):
        headers = bearer(token(attacker, claimed, "owner"))
        assert (await api.get("/api/v1/me", headers=headers)).json()["user"]["id"] != who["id"]
        path = f"/api/v1/contacts/{theirs['id']}"
        assert (await api.get(path, headers=headers)).status_code == 404


async def test_what_is_theirs_goes_before_they_do(
    platform: Platform, api: httpx.AsyncClient, token: MintToken
) -> None:
    name = uuid.uuid4().hex
    headers = bearer(token(name, None))
    assert (await api.get("/api/v1/me", headers=headers)).status_code == 200
    subject = tenants.external_id(name)
    for words in ((), ("--ownerless",)):
        code, output = types(platform, "erase", subject, "--yes", subject, *words)
        assert code == 1, output
        assert "app tenants delete" in output
    assert (await api.get("/api/v1/me", headers=headers)).status_code == 200
