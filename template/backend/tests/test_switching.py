"""Another provider signs people in: the same people, organizations and data, under other ids."""

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.choices import tenancy
from app.dev.choices import provider as issuer
from tests.conftest import Connection, MintToken
from tests.running import Platform
from tests.test_users import types

ME = "/api/v1/me"
CONTACTS = "/api/v1/contacts"
HAS_ORGANIZATIONS = tenancy.TENANT == "organization"

needs_organizations = pytest.mark.skipif(not HAS_ORGANIZATIONS, reason="there are none")


class Life:
    """Somebody with a tenant and a contact, whom one provider calls one name, the next another."""

    def __init__(self, api: httpx.AsyncClient, token: MintToken, admin: Connection) -> None:
        self.api, self.token, self.admin = api, token, admin
        self.names = uuid4().hex, uuid4().hex
        self.tenants = uuid4().hex, uuid4().hex

    def signed_in(self, now: int, *, organization: bool = True) -> dict[str, str]:
        """The headers of a request: with the first ids (0), or with the second ones (1)."""
        tenant = self.tenants[now] if organization else None
        return {"Authorization": f"Bearer {self.token(self.names[now], tenant, 'owner')}"}

    async def begin(self) -> tuple[str, str]:
        """Sign in and add a contact; our ids of both."""
        me = await self.api.get(ME, headers=self.signed_in(0))
        assert me.status_code == 200, me.text
        added = await self.api.post(
            CONTACTS, headers=self.signed_in(0), json={"name": "Ada", "email": "ada@example.com"}
        )
        assert added.status_code == 201, added.text
        return me.json()["user"]["id"], added.json()["id"]

    async def seen(self, headers: dict[str, str]) -> tuple[str, list[str]]:
        """Our ids of who is asking, and of the contacts that they see."""
        me = await self.api.get(ME, headers=headers)
        assert me.status_code == 200, me.text
        contacts = await self.api.get(CONTACTS, headers=headers)
        assert contacts.status_code == 200, contacts.text
        return me.json()["user"]["id"], [contact["id"] for contact in contacts.json()["items"]]

    @property
    def user(self) -> str:
        """The line of the file that is about the person."""
        before, after = map(issuer.subject, self.names)
        return f"user,{before},{after}"

    def organization(self, *, kept: bool = True) -> str:
        """The line about the organization, which the next provider knows or does not."""
        [(before,)] = self.admin.execute(
            "select external_id from public.organizations where slug = %s", (self.tenants[0],)
        ).fetchall()
        after = before.replace(*self.tenants) if kept else ""
        return f"organization,{before},{after}"


@pytest.fixture
def life(api: httpx.AsyncClient, token: MintToken, as_admin: Connection) -> Life:
    return Life(api, token, as_admin)


async def switch(platform: Platform, folder: Path, *lines: str) -> tuple[int, str]:
    """What `app users switch` says to a file with these lines."""
    file = folder / "ids.csv"
    file.write_text("\n".join(("kind,before,after", *lines, "")))
    return await asyncio.to_thread(types, platform, "switch", str(file))


async def test_people_and_organizations_keep_what_they_have(
    platform: Platform, life: Life, tmp_path: Path
) -> None:
    user, contact = await life.begin()
    lines = [life.user, *([life.organization()] if HAS_ORGANIZATIONS else [])]
    code, output = await switch(platform, tmp_path, *lines)
    assert code == 0, output
    assert f"{len(lines)} changed, 0 were so already" in output
    assert await life.seen(life.signed_in(1)) == (user, [contact])

    code, output = await switch(platform, tmp_path, *lines)
    assert code == 0, output
    assert f"0 changed, {len(lines)} were so already" in output
    # The ids of before are somebody else's now, who has nothing.
    stranger, theirs = await life.seen(life.signed_in(0))
    assert stranger != user
    assert not theirs


@needs_organizations
async def test_an_organization_that_the_next_provider_does_not_know_is_the_products_own(
    platform: Platform, life: Life, tmp_path: Path
) -> None:
    user, contact = await life.begin()
    before = (await life.api.get(ME, headers=life.signed_in(0))).json()["organization"]
    code, output = await switch(platform, tmp_path, life.user, life.organization(kept=False))
    assert code == 0, output
    headers = life.signed_in(1, organization=False)
    assert await life.seen(headers | {"X-Organization": before["id"]}) == (user, [contact])


async def test_who_keeps_their_id_needs_no_change(
    platform: Platform, life: Life, tmp_path: Path
) -> None:
    await life.begin()
    same = issuer.subject(life.names[0])
    code, output = await switch(platform, tmp_path, f"user,{same},{same}")
    assert code == 0, output
    assert "0 changed, 1 were so already" in output


async def test_the_trail_tells_of_it(
    platform: Platform, life: Life, as_admin: Connection, tmp_path: Path
) -> None:
    user, _ = await life.begin()
    code, output = await switch(platform, tmp_path, life.user)
    assert code == 0, output
    [(old, new, request_id)] = as_admin.execute(
        "select old ->> 'subject', new ->> 'subject', request_id from audit.events"
        " where table_name = 'users' and row_id = %s and action = 'update'"
        " and old ->> 'subject' <> new ->> 'subject'",
        (user,),
    ).fetchall()
    assert [old, new] == [issuer.subject(name) for name in life.names]
    assert request_id.startswith("operator-")


async def test_one_id_of_two_people_changes_nothing(
    platform: Platform, life: Life, tmp_path: Path
) -> None:
    user, contact = await life.begin()
    other = Life(life.api, life.token, life.admin)
    await other.begin()
    # Somebody who signed in with the new provider before.
    assert (await life.api.get(ME, headers=life.signed_in(1))).status_code == 200
    code, output = await switch(platform, tmp_path, other.user, life.user)
    assert code != 0
    assert "line 3" in output
    assert "two have the ids" in output
    assert await life.seen(life.signed_in(0)) == (user, [contact])
    code, output = await switch(platform, tmp_path, other.user)
    assert "1 changed" in output, "the first line had not been kept"


async def test_who_is_nobody_is_named(platform: Platform, life: Life, tmp_path: Path) -> None:
    code, output = await switch(platform, tmp_path, life.user)
    assert code != 0
    assert "Nobody and nothing here" in output
    assert issuer.subject(life.names[0]) in output


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("person,a,b", "it must be a user"),
        ("user,a,", "a user needs an id"),
        ("user,,b", "1 to 255 characters"),
        (f"user,a,{'b' * 256}", "1 to 255 characters"),
        ("user,a,b\nuser,b,c", "an id comes twice"),
    ],
)
async def test_a_line_that_is_wrong_changes_nothing(
    platform: Platform, tmp_path: Path, line: str, reason: str
) -> None:
    code, output = await switch(platform, tmp_path, line)
    assert code != 0
    assert reason in output
    assert "Nothing was changed" in output
