"""From an invitation that is sent to a membership, through HTTP and a mail alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest

from app.choices import tenancy
from tests.conftest import Connection, MintToken
from tests.mails import mails_to, token_in
from tests.running import Platform
from tests.staff import ACCEPT, INVITATIONS, MEMBERS, Person, Staff

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def staff(api: httpx.AsyncClient, token: MintToken, platform: Platform) -> Staff:
    assert platform.mailbox is not None
    return Staff(api, token, platform.mailbox)


async def status_of(person: Person, email: str) -> dict[str, Any]:
    items = (await person.get(INVITATIONS)).json()["items"]
    found: dict[str, Any] = next(item for item in items if item["email"] == email)
    return found


async def refused(person: Person, token: str) -> tuple[int, str]:
    response = await person.post(ACCEPT, json={"token": token})
    problem = response.json()
    return response.status_code, problem["type"]


async def test_who_is_invited_becomes_a_member(staff: Staff) -> None:
    owner = await staff.owner("Difference Engines")
    guest = staff.person()
    token = await staff.invited(owner, guest, "admin")
    [mail] = await mails_to(staff.mailbox, guest.email)
    assert "Difference Engines" in mail["subject"]
    assert f"sign in as {guest.email}" in mail["text"]
    assert (await guest.me())["organization"] is None

    accepted = await guest.post(ACCEPT, json={"token": token})
    assert accepted.json() == {"organization_id": owner.organization, "role": "admin"}
    guest.organization = owner.organization
    assert (await guest.me())["role"] == "admin"
    assert (await guest.get("/api/v1/contacts")).status_code == 200
    assert (await status_of(owner, guest.email))["status"] == "accepted"
    members = (await owner.get(MEMBERS)).json()["items"]
    assert {member["email"]: member["role"] for member in members}[guest.email] == "admin"
    listed = (await guest.get("/api/v1/organizations")).json()["items"]
    assert [(item["id"], item["role"]) for item in listed] == [(owner.organization, "admin")]


async def test_a_link_works_once(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    assert (await guest.post(ACCEPT, json={"token": token})).status_code == 200
    assert await refused(guest, token) == (410, "urn:problem:invitation-accepted")


async def test_of_two_at_once_one_works(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    answers = await asyncio.gather(*(guest.post(ACCEPT, json={"token": token}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 410, 410, 410]


async def test_a_link_is_for_one_address(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    assert await refused(staff.person(), token) == (403, "urn:problem:another-address")
    unconfirmed = staff.person(guest.email, confirmed=False)
    assert await refused(unconfirmed, token) == (403, "urn:problem:address-unconfirmed")
    assert (await guest.post(ACCEPT, json={"token": token})).status_code == 200


async def test_an_address_is_the_same_in_capitals(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    shouting = staff.person(guest.email.upper())
    assert (await shouting.post(ACCEPT, json={"token": token})).status_code == 200


async def test_an_expired_link_is_refused_until_it_is_sent_again(
    staff: Staff, as_admin: Connection
) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    changed = as_admin.execute(
        "update public.invitations set expires_at = now() where email = %s", (guest.email,)
    )
    assert changed.rowcount == 1
    assert await refused(guest, token) == (410, "urn:problem:invitation-expired")
    invitation = await status_of(owner, guest.email)
    assert invitation["status"] == "expired"

    resent = await owner.post(f"{INVITATIONS}/{invitation['id']}/resend")
    assert (resent.status_code, resent.json()["status"]) == (202, "open")
    latest, _ = await mails_to(staff.mailbox, guest.email, 2)
    assert await refused(guest, token) == (404, "about:blank")
    assert (await guest.post(ACCEPT, json={"token": token_in(latest)})).status_code == 200


async def test_an_address_whose_invitation_expired_is_invited_anew(
    staff: Staff, as_admin: Connection
) -> None:
    owner = await staff.owner()
    guest = staff.person()
    await staff.invited(owner, guest)
    as_admin.execute(
        "update public.invitations set expires_at = now() where email = %s", (guest.email,)
    )
    again = await owner.post(INVITATIONS, json={"email": guest.email})
    assert again.status_code == 201, again.text


async def test_a_link_that_was_taken_back_is_refused(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    invitation = await status_of(owner, guest.email)
    path = f"{INVITATIONS}/{invitation['id']}"
    assert (await owner.ask("DELETE", path)).status_code == 204
    assert (await owner.ask("DELETE", path)).status_code == 204
    assert await refused(guest, token) == (410, "urn:problem:invitation-revoked")
    assert (await owner.post(f"{path}/resend")).status_code == 409
    assert (await owner.post(INVITATIONS, json={"email": guest.email})).status_code == 201


@pytest.mark.parametrize(
    "text",
    ["", "x", "a" * 201, "\x00", f"{'0' * 32}.{'a' * 43}", f"{'0' * 32}", "ü" * 40, "." * 80],
)
async def test_what_is_no_token_is_refused(staff: Staff, text: str) -> None:
    response = await staff.person().post(ACCEPT, json={"token": text})
    assert response.status_code in {404, 422}, response.text


async def test_another_organizations_name_in_the_token_leads_nowhere(staff: Staff) -> None:
    mine, theirs = await staff.owner(), await staff.owner()
    guest = staff.person()
    _, secret = (await staff.invited(mine, guest)).split(".")
    forged = f"{str(theirs.organization).replace('-', '')}.{secret}"
    assert await refused(guest, forged) == (404, "about:blank")


async def test_who_may_invite_whom(staff: Staff) -> None:
    owner = await staff.owner()
    expected = {
        "owner": {"owner": 201, "admin": 201, "member": 201, "viewer": 201},
        "admin": {"owner": 403, "admin": 201, "member": 201, "viewer": 201},
        "member": dict.fromkeys(("owner", "admin", "member", "viewer"), 403),
        "viewer": dict.fromkeys(("owner", "admin", "member", "viewer"), 403),
    }
    for rank, answers in expected.items():
        inviter = await staff.colleague(owner, rank)
        for role, status in answers.items():
            email = staff.person().email
            response = await inviter.post(INVITATIONS, json={"email": email, "role": role})
            assert response.status_code == status, f"{rank} invites {role}: {response.text}"
        may_list = 200 if answers["viewer"] == 201 else 403
        assert (await inviter.get(INVITATIONS)).status_code == may_list


async def test_an_admin_cannot_send_an_owners_invitation_again(staff: Staff) -> None:
    owner = await staff.owner()
    admin = await staff.colleague(owner, "admin")
    sent = await owner.post(INVITATIONS, json={"email": staff.person().email, "role": "owner"})
    response = await admin.post(f"{INVITATIONS}/{sent.json()['id']}/resend")
    assert response.json()["type"] == "urn:problem:owners-only"


@pytest.fixture
async def sparing(staff: Staff, platform: Platform) -> AsyncIterator[Staff]:
    """Staff of an API where an organization may send three mails a day."""
    process, address = platform.api(INVITATIONS_PER_DAY="3")
    process.start()
    async with httpx.AsyncClient(base_url=address, timeout=30.0, trust_env=False) as api:
        yield replace(staff, api=api)
    process.stop()


async def test_an_organization_sends_only_so_many_mails_a_day(
    sparing: Staff, as_admin: Connection
) -> None:
    owner, other = await sparing.owner(), await sparing.owner()
    guests = [sparing.person().email for _ in range(6)]
    answers = await asyncio.gather(
        *(owner.post(INVITATIONS, json={"email": guest}) for guest in guests)
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 3
    refusal = next(answer for answer in answers if answer.status_code == 429)
    assert refusal.json()["type"] == "urn:problem:too-many-mails"
    assert 86_000 < int(refusal.headers["Retry-After"]) <= 86_400

    revoked, kept, _ = (answer.json()["id"] for answer in answers if answer.status_code == 201)
    assert (await owner.ask("DELETE", f"{INVITATIONS}/{revoked}")).status_code == 204
    late = {"email": sparing.person().email}
    assert (await owner.post(INVITATIONS, json=late)).status_code == 429
    assert (await owner.post(f"{INVITATIONS}/{kept}/resend")).status_code == 429
    assert (await other.post(INVITATIONS, json=late)).status_code == 201

    as_admin.execute(
        "update public.invitations set asked_at = array[now() - interval '25 hours'] where id = %s",
        (kept,),
    )
    assert (await owner.post(f"{INVITATIONS}/{kept}/resend")).status_code == 202
    assert (await owner.post(INVITATIONS, json=late)).status_code == 429


async def test_nobody_is_invited_twice(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    assert (await owner.post(INVITATIONS, json={"email": guest.email})).status_code == 409
    await guest.post(ACCEPT, json={"token": token})
    again = await owner.post(INVITATIONS, json={"email": guest.email.upper()})
    assert (again.status_code, again.json()["type"]) == (409, "urn:problem:conflict")


async def test_who_was_removed_comes_back_only_by_a_new_invitation(staff: Staff) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    await guest.post(ACCEPT, json={"token": token})
    guest.organization = owner.organization
    user_id = (await guest.me())["user"]["id"]
    member = await owner.member_id(user_id)
    assert (await owner.ask("DELETE", f"{MEMBERS}/{member}")).status_code == 204
    assert (await guest.get("/api/v1/me")).status_code == 403
    guest.organization = None
    assert await refused(guest, token) == (410, "urn:problem:invitation-accepted")
    assert (await guest.get("/api/v1/organizations")).json() == {"items": []}

    await owner.post(INVITATIONS, json={"email": guest.email, "role": "viewer"})
    latest, _ = await mails_to(staff.mailbox, guest.email, 2)
    assert (await guest.post(ACCEPT, json={"token": token_in(latest)})).status_code == 200
    guest.organization = owner.organization
    assert (await guest.me())["role"] == "viewer"


async def test_no_token_is_kept_and_the_trail_tells_who_did_what(
    staff: Staff, as_admin: Connection
) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    await guest.post(ACCEPT, json={"token": token})
    guest.organization = owner.organization
    events = (await owner.get("/api/v1/audit-events?table=invitations")).json()["items"]
    actions = [(event["action"], event["actor"]) for event in events]
    inviter = (await owner.me())["user"]["subject"]
    invited = (await guest.me())["user"]["subject"]
    assert ("insert", inviter) in actions
    assert ("update", invited) in actions
    secret = token.partition(".")[2]
    tables = as_admin.execute(
        "select format('%I.%I', schemaname, tablename) from pg_tables"
        " where schemaname in ('public', 'app', 'audit')"
    ).fetchall()
    for (table,) in tables:
        found = as_admin.execute(
            f"select count(*) from {table} t where t::text like %s".encode(), (f"%{secret}%",)
        ).fetchone()
        assert found == (0,), f"{table} holds the token"


@pytest.mark.parametrize(("role", "wish"), [("member", "viewer"), ("admin", "owner")])
async def test_the_database_refuses_what_a_role_may_not(
    staff: Staff, as_api: Connection, role: str, wish: str
) -> None:
    """Whatever a program forgot to ask."""
    owner = await staff.owner()
    person = await staff.colleague(owner, role)
    subject = (await person.me())["user"]["subject"]
    claims = json.dumps({"sub": subject, "tenant_id": owner.organization})
    entered = as_api.execute(
        f"select role from {tenancy.ENTER}(%s, 'test')".encode(), (claims,)
    ).fetchone()
    assert entered == (role,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_api.execute(
            "insert into public.invitations (email, role, expires_at)"
            " values ('a@example.com', %s, now() + interval '1 day')",
            (wish,),
        )
