"""Organizations that the product manages: who makes them, works in them, changes their members."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from tests.conftest import Connection, MintToken
from tests.listening import SOON
from tests.running import Platform
from tests.staff import MEMBERS, ORGANIZATIONS, Person, Staff
from tests.test_contacts import add
from tests.test_realtime_api import TICKETS, closed, connect, receive

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def staff(api: httpx.AsyncClient, token: MintToken, platform: Platform) -> Staff:
    assert platform.mailbox is not None
    return Staff(api, token, platform.mailbox)


async def change(by: Person, whom: Person, role: str | None) -> httpx.Response:
    """Give a member another role, or remove them."""
    member = await by.member_id((await whom.me())["user"]["id"])
    if role is None:
        return await by.ask("DELETE", f"{MEMBERS}/{member}")
    return await by.ask("PATCH", f"{MEMBERS}/{member}", json={"role": role})


async def test_who_makes_an_organization_owns_it(staff: Staff) -> None:
    person = staff.person()
    made = await person.post(ORGANIZATIONS, json={"name": "Ada & Söhne"})
    assert (made.status_code, made.json()["role"]) == (201, "owner")
    assert made.json()["slug"].startswith("ada-s-hne")
    person.organization = made.json()["id"]
    me = await person.me()
    assert me["organization"]["name"] == "Ada & Söhne"
    assert me["role"] == "owner"
    written = await add(
        staff.api,
        {"Authorization": f"Bearer {person.token}", "X-Organization": made.json()["id"]},
    )
    assert written.status_code == 201


async def test_two_organizations_of_one_person_are_kept_apart(staff: Staff) -> None:
    person = await staff.owner("First")
    other = (await person.post(ORGANIZATIONS, json={"name": "Second"})).json()["id"]
    first = {"Authorization": f"Bearer {person.token}", "X-Organization": str(person.organization)}
    assert (await add(staff.api, first)).status_code == 201
    elsewhere = await person.get("/api/v1/contacts", headers={"X-Organization": other})
    assert elsewhere.json()["items"] == []


async def test_the_organization_that_was_chosen_comes_first(staff: Staff) -> None:
    person = await staff.owner("First")
    await person.post(ORGANIZATIONS, json={"name": "Second"})

    async def names() -> list[str]:
        return [item["name"] for item in (await person.get(ORGANIZATIONS)).json()["items"]]

    assert await names() == ["Second", "First"]
    chosen = await person.post(f"{ORGANIZATIONS}/{person.organization}/choose")
    assert chosen.status_code == 204
    assert await names() == ["First", "Second"]


async def test_nobody_works_where_they_do_not_belong(staff: Staff) -> None:
    owner, stranger = await staff.owner(), staff.person()
    answers = []
    for organization in (owner.organization, str(uuid4())):
        stranger.organization = organization
        for path in ("/api/v1/me", "/api/v1/contacts", MEMBERS):
            response = await stranger.get(path)
            problem = response.json() | {"request_id": None}
            answers.append((path, response.status_code, problem))
        chosen = await stranger.post(f"{ORGANIZATIONS}/{organization}/choose")
        assert chosen.status_code == 404
    assert answers[:3] == answers[3:], "whether there is such an organization shows"
    assert {status for _, status, _ in answers} == {403}
    assert len((await owner.get(MEMBERS)).json()["items"]) == 1


@pytest.mark.parametrize("name", ["", "acme", "1; drop table users", "0" * 36, "é"])
async def test_a_header_that_is_no_id_is_refused(staff: Staff, name: str) -> None:
    person = staff.person()
    response = await person.get("/api/v1/me", headers={"X-Organization": name.encode()})
    assert response.status_code == 400, response.text


async def test_the_header_does_not_lead_into_what_the_provider_manages(
    staff: Staff, token: MintToken
) -> None:
    """A token that does not name the organization any more: the provider took its word back."""
    name = uuid4().hex
    headers = {"Authorization": f"Bearer {token(name, name, 'admin')}"}
    me = (await staff.api.get("/api/v1/me", headers=headers)).json()
    alone = Person(staff.api, token(name, None), "", me["organization"]["id"])
    assert (await alone.get("/api/v1/contacts")).status_code == 403
    alone.organization = None
    assert (await alone.get(ORGANIZATIONS)).json() == {"items": []}
    # Nor does a token that names it let its members be changed here.
    both = Person(staff.api, headers["Authorization"][7:], "", me["organization"]["id"])
    assert (await both.get(MEMBERS)).status_code == 200
    for refused in (
        await both.post("/api/v1/invitations", json={"email": "a@example.com"}),
        await both.ask("PATCH", f"{ORGANIZATIONS}/current", json={"name": "Mine"}),
        await change(both, both, None),
    ):
        assert (refused.status_code, refused.json()["type"]) == (
            409,
            "urn:problem:managed-by-provider",
        )


async def test_a_token_for_one_organization_and_a_header_for_another_do_not_go_together(
    staff: Staff, token: MintToken
) -> None:
    owner = await staff.owner()
    name = uuid4().hex
    both = Person(staff.api, token(name, name, "owner"), "", owner.organization)
    assert (await both.get("/api/v1/me")).status_code == 403


async def test_renaming(staff: Staff) -> None:
    owner = await staff.owner("Before")
    member = await staff.colleague(owner, "member")
    path = f"{ORGANIZATIONS}/current"
    assert (await member.ask("PATCH", path, json={"name": "After"})).status_code == 403
    assert (await owner.ask("PATCH", path, json={"name": "After"})).status_code == 204
    assert (await member.me())["organization"]["name"] == "After"
    names = [item["name"] for item in (await member.get(ORGANIZATIONS)).json()["items"]]
    assert names == ["After"]
    for bad in ("", " ", "a" * 101, "two\nlines", "\x00", None, 1):
        assert (await owner.ask("PATCH", path, json={"name": bad})).status_code == 422


async def test_who_may_change_whom(staff: Staff) -> None:
    owner = await staff.owner()
    admin = await staff.colleague(owner, "admin")
    other_admin = await staff.colleague(owner, "admin")
    member = await staff.colleague(owner, "member")

    for refused, status in (
        (await change(admin, owner, "member"), 403),
        (await change(admin, owner, None), 403),
        (await change(admin, member, "owner"), 403),
        (await change(admin, admin, "owner"), 403),
        (await change(member, admin, "viewer"), 403),
        (await change(member, member, "admin"), 403),
        (await change(member, admin, None), 403),
    ):
        assert refused.status_code == status, refused.text
    assert (await change(admin, member, "viewer")).status_code == 204
    assert (await member.me())["role"] == "viewer"
    assert (await change(admin, other_admin, "member")).status_code == 204
    assert (await change(owner, admin, "owner")).status_code == 204
    assert (await change(admin, owner, "member")).status_code == 204
    assert (await owner.me())["role"] == "member"


async def test_the_last_owner_stays(staff: Staff) -> None:
    owner = await staff.owner()
    for refused in (
        await change(owner, owner, "admin"),
        await change(owner, owner, None),
        await owner.ask("DELETE", f"{MEMBERS}/me"),
    ):
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem:last-owner")
    other = await staff.colleague(owner, "owner")
    assert (await owner.ask("DELETE", f"{MEMBERS}/me")).status_code == 204
    assert (await owner.get("/api/v1/me")).status_code == 403
    assert (await other.ask("DELETE", f"{MEMBERS}/me")).status_code == 409


async def test_of_two_owners_who_demote_each_other_one_does(
    staff: Staff, as_admin: Connection
) -> None:
    """Also where a third one is left, so that no last owner is in the way."""
    first = await staff.owner()
    one, two = [await staff.colleague(first, "owner") for _ in range(2)]
    ids = [await first.member_id((await person.me())["user"]["id"]) for person in (one, two)]
    waiting = (
        "select count(*) from pg_stat_activity"
        " where wait_event_type = 'Lock' and query like '%change_member%'"
    )
    with as_admin.transaction():
        # Both have been let in as owners before either has its turn.
        as_admin.execute(
            "select from public.organizations where id = %s for update", (first.organization,)
        )
        asked = [
            asyncio.create_task(person.ask("PATCH", f"{MEMBERS}/{other}", json={"role": "viewer"}))
            for person, other in ((one, ids[1]), (two, ids[0]))
        ]
        async with asyncio.timeout(20):
            while as_admin.execute(waiting).fetchone() != (2,):
                as_admin.execute("select pg_stat_clear_snapshot()")
                await asyncio.sleep(0.02)
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [204, 403]


async def test_two_headers_are_refused(staff: Staff) -> None:
    """Whatever stands before the API may have believed the other one."""
    owner = await staff.owner()
    organization = str(owner.organization)
    headers = [("Authorization", f"Bearer {owner.token}"), ("X-Organization", organization)]
    assert (await staff.api.get("/api/v1/me", headers=headers)).status_code == 200
    headers.append(("X-Organization", organization))
    assert (await staff.api.get("/api/v1/me", headers=headers)).status_code == 400


async def test_two_owners_who_leave_at_once_leave_one(staff: Staff) -> None:
    one = await staff.owner()
    two = await staff.colleague(one, "owner")
    answers = await asyncio.gather(
        *(person.ask("DELETE", f"{MEMBERS}/me") for person in (one, two))
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_a_viewer_may_leave(staff: Staff) -> None:
    owner = await staff.owner()
    viewer = await staff.colleague(owner, "viewer")
    assert (await viewer.get(MEMBERS)).status_code == 403
    assert (await viewer.ask("DELETE", f"{MEMBERS}/me")).status_code == 204
    viewer.organization = None
    assert (await viewer.get(ORGANIZATIONS)).json() == {"items": []}


async def test_who_is_removed_or_leaves_loses_the_socket(staff: Staff) -> None:
    owner = await staff.owner()
    removed, gone = [await staff.colleague(owner, "member") for _ in range(2)]

    async def ticket(person: Person) -> str:
        issued = await person.post(TICKETS)
        assert issued.status_code == 201, issued.text
        return str(issued.json()["ticket"])

    async with (
        connect(staff.api, await ticket(removed)) as first,
        connect(staff.api, await ticket(gone)) as second,
    ):
        for client in (first, second):
            assert (await receive(client))["type"] == "hello"
        late = await ticket(removed)
        assert (await change(owner, removed, None)).status_code == 204
        assert (await gone.ask("DELETE", f"{MEMBERS}/me")).status_code == 204
        async with asyncio.timeout(SOON):
            assert [await closed(client) for client in (first, second)] == [4403, 4403]
    async with connect(staff.api, late) as client:
        assert await closed(client) == 4403
    assert (await removed.post(TICKETS)).status_code == 403


async def test_members_of_another_organization_are_not_there(staff: Staff) -> None:
    mine, theirs = await staff.owner(), await staff.owner()
    [member] = (await theirs.get(MEMBERS)).json()["items"]
    for member_id in (member["id"], str(uuid4())):
        path = f"{MEMBERS}/{member_id}"
        assert (await mine.ask("DELETE", path)).status_code == 404
        assert (await mine.ask("PATCH", path, json={"role": "viewer"})).status_code == 404
    assert (await theirs.me())["role"] == "owner"


async def test_pages_of_members(staff: Staff) -> None:
    owner = await staff.owner()
    for _ in range(2):
        await staff.colleague(owner, "viewer")
    seen = []
    cursor: str | None = None
    while True:
        query = {"limit": 1} if cursor is None else {"limit": 1, "cursor": cursor}
        page = (await owner.get(MEMBERS, params=query)).json()
        seen += [member["id"] for member in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(set(seen)) == len(seen) == 3


async def test_one_person_owns_only_so_many(staff: Staff) -> None:
    person = staff.person()
    statuses = [
        (await person.post(ORGANIZATIONS, json={"name": f"Number {number}"})).status_code
        for number in range(11)
    ]
    assert statuses == [201] * 10 + [409]
