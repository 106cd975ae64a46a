"""Organizations that the product manages, each in a database of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.choices import provider
from tests.conftest import Connection, MintToken
from tests.mails import mails_to, token_in
from tests.staff import ACCEPT, INVITATIONS, MEMBERS, ORGANIZATIONS, Staff
from tests.test_databases import Product, client, control, jobs_done, product, scalar
from tests.test_users import where
from tests.test_webhooks import Provider

__all__ = ["client", "control", "jobs_done", "product"]

pytestmark = pytest.mark.usefixtures("jobs_done")

_MEMBERS = """
select array_agg(row(u.subject, m.role, m.status)::text order by u.subject)
from memberships m join users u on u.id = m.user_id
"""


@contextmanager
def shut(product: Product, control: Connection, tenant_id: UUID) -> Iterator[str]:
    """Nobody gets into a tenant's database meanwhile, whose name this gives."""
    _, database = product.at(tenant_id)
    statement = sql.SQL("alter database {} allow_connections {}")
    control.execute(statement.format(sql.Identifier(database), sql.Literal(False)))
    control.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (database,)
    )
    yield database
    control.execute(statement.format(sql.Identifier(database), sql.Literal(True)))


@pytest.fixture
async def staff(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> AsyncIterator[Staff]:
    assert product.platform.mailbox is not None
    root = str(client.base_url).removesuffix("/api/v1/")
    async with httpx.AsyncClient(base_url=root, timeout=60.0) as api:
        yield Staff(api, token, product.platform.mailbox)


async def test_members_are_in_the_organizations_database_and_its_list_in_the_control_database(
    staff: Staff, product: Product, control: Connection
) -> None:
    owner = await staff.owner("Before")
    tenant_id = UUID(owner.organization)
    assert (await owner.me())["role"] == "owner"
    guest = await staff.colleague(owner, "member")
    in_list = f"{_MEMBERS} where m.org_id = %s"
    with product.home(tenant_id) as home:
        assert scalar(home, "select array_agg(id) from organizations") == [tenant_id]
        assert len(scalar(home, _MEMBERS)) == 2
        assert scalar(home, _MEMBERS) == scalar(control, in_list, tenant_id)
        assert scalar(home, "select count(*) from invitations") == 1
        assert scalar(control, "select count(*) from invitations") == 0

        renamed = await owner.ask("PATCH", f"{ORGANIZATIONS}/current", json={"name": "After"})
        assert renamed.status_code == 204
        [listed] = (await guest.get(ORGANIZATIONS)).json()["items"]
        assert (listed["name"], listed["role"]) == ("After", "member")

        member = await owner.member_id((await guest.me())["user"]["id"])
        path = f"{MEMBERS}/{member}"
        assert (await owner.ask("PATCH", path, json={"role": "admin"})).status_code == 204
        [listed] = (await guest.get(ORGANIZATIONS)).json()["items"]
        assert listed["role"] == "admin"
        assert (await owner.ask("DELETE", path)).status_code == 204
        assert (await guest.get("/api/v1/me")).status_code == 403
        assert (await guest.get(ORGANIZATIONS)).json() == {"items": []}
        assert scalar(home, _MEMBERS) == scalar(control, in_list, tenant_id)


async def test_a_stranger_leaves_no_trace_in_an_organizations_database(
    staff: Staff, product: Product
) -> None:
    owner = await staff.owner()
    assert (await owner.me())["role"] == "owner"
    stranger = staff.person()
    everything = "select (select count(*) from users), (select count(*) from audit.events)"
    with product.home(UUID(owner.organization)) as home:
        before = home.execute(everything).fetchall()
        answers = []
        for organization in (owner.organization, str(uuid4())):
            stranger.organization = organization
            response = await stranger.get("/api/v1/me")
            answers.append((response.status_code, response.json() | {"request_id": None}))
        assert home.execute(everything).fetchall() == before
    assert answers[0] == answers[1]
    assert answers[0][0] == 403


async def test_a_list_that_missed_an_acceptance_is_mended_by_the_same_link(
    staff: Staff, control: Connection
) -> None:
    """As it would be after a crash between the two databases."""
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    assert (await guest.post(ACCEPT, json={"token": token})).status_code == 200
    control.execute(
        "update memberships set status = 'removed', removed_at = now()"
        " where org_id = %s and role = 'member'",
        [owner.organization],
    )
    assert (await guest.get(ORGANIZATIONS)).json() == {"items": []}
    assert (await guest.post(ACCEPT, json={"token": token})).status_code == 410
    [listed] = (await guest.get(ORGANIZATIONS)).json()["items"]
    assert listed["id"] == owner.organization


async def test_a_person_is_erased_from_every_database_even_if_one_is_away(
    staff: Staff, product: Product, control: Connection
) -> None:
    owners = [await staff.owner(), await staff.owner()]
    guest = staff.person()
    for sent, owner in enumerate(owners, start=1):
        await owner.post(INVITATIONS, json={"email": guest.email})
        latest, *_ = await mails_to(staff.mailbox, guest.email, sent)
        accepted = await guest.post(ACCEPT, json={"token": token_in(latest)})
        assert accepted.status_code == 200, accepted.text
    guest.organization = owners[1].organization
    subject = (await guest.me())["user"]["subject"]
    homes = [UUID(owner.organization) for owner in owners]

    def traces() -> list[list[str]]:
        found = []
        for tenant_id in homes:
            with product.home(tenant_id) as home:
                found.append(where(home, guest.email))
        return [*found, where(control, guest.email)]

    assert traces() == [["public.invitations", "public.users"]] * 2 + [["public.users"]]
    erase = ("users", "erase", guest.email, "--yes", guest.email)
    with shut(product, control, homes[0]) as database:
        process = product.types(*erase)
        told, _ = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "is not erased everywhere yet" in told
        assert database in told
        assert "Traceback" not in told
        assert (await guest.get("/api/v1/me")).status_code == 403
    assert "is erased" in product.succeeds(*erase)
    assert traces() == [[], [], []]
    for tenant_id in homes:
        with product.home(tenant_id) as home:
            gone = "select deleted_at is not null from users where subject = %s"
            assert home.execute(gone, (subject,)).fetchall() == [(True,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                home.execute("delete from audit.events where old ->> 'subject' = %s", (subject,))


async def test_an_address_that_only_a_tenant_knows_is_found(
    staff: Staff, product: Product, control: Connection
) -> None:
    owner = await staff.owner()
    guest = staff.person()
    token = await staff.invited(owner, guest)
    assert (await guest.post(ACCEPT, json={"token": token})).status_code == 200
    # As it is when the control database has heard of somebody by a tenant alone.
    control.execute("update users set email = null where lower(email) = %s", (guest.email,))
    product.succeeds("users", "erase", guest.email, "--yes", guest.email)
    with product.home(UUID(owner.organization)) as home:
        assert where(home, guest.email) == []
    for organization in (None, owner.organization):
        guest.organization = organization
        assert (await guest.get("/api/v1/me")).status_code == 403


async def test_a_persons_end_reaches_every_database_but_one_that_is_away(
    staff: Staff, product: Product, control: Connection, token: MintToken
) -> None:
    guest = staff.person()
    homes = []
    for sent in range(1, 4):
        owner = await staff.owner()
        homes.append(UUID(owner.organization))
        await owner.post(INVITATIONS, json={"email": guest.email})
        latest, *_ = await mails_to(staff.mailbox, guest.email, sent)
        accepted = await guest.post(ACCEPT, json={"token": token_in(latest)})
        assert accepted.status_code == 200, accepted.text
    # The middle one, as tenants are told in the order of their ids.
    guest.organization = str(sorted(homes)[2])
    subject = (await guest.me())["user"]["subject"]
    event = provider.event("user.deleted", time.time(), subject=subject)
    told = Provider(staff.api, token)
    with shut(product, control, sorted(homes)[1]):
        failed = await told.send(event, message_id=(message := f"msg_{uuid4().hex}"))
        assert failed.status_code == 503, failed.text
        assert (await guest.get("/api/v1/me")).status_code == 403
    guest.organization = str(sorted(homes)[1])
    # As a provider repeats it: a pooler that was refused looks again after a second.
    async with asyncio.timeout(10):
        while (again := await told.send(event, message_id=message)).status_code == 503:
            await asyncio.sleep(0.2)
    assert again.status_code == 204, again.text
    assert (await guest.get("/api/v1/me")).status_code == 403
