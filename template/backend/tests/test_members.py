"""What people may do in organizations that they belong to, and not in others."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from app.choices import tenancy
from app.dev.choices import provider
from app.dev.servers import Connections
from app.realtime.events import Channel
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.listening import SOON
from tests.pooler import log_in
from tests.running import AppProcess
from tests.test_contacts import add
from tests.test_imports import SECONDS, Office, csv_of, office, people
from tests.test_realtime_api import (
    TICKETS,
    Person,
    closed,
    connect,
    person,
    publisher,
    receive,
)

__all__ = ["office", "person", "publisher"]


async def test_without_an_organization_there_is_nothing_to_see(
    api: httpx.AsyncClient, token: MintToken
) -> None:
    headers = {"Authorization": f"Bearer {token(user=uuid.uuid4().hex, org=None)}"}
    refused = await api.get("/api/v1/contacts", headers=headers)
    assert refused.status_code == 403
    assert "choose one" in refused.json()["detail"]
    assert (await api.post(TICKETS, headers=headers)).status_code == 403
    me = (await api.get("/api/v1/me", headers=headers)).json()
    assert me["organization"] is None
    assert me["permissions"] == []


@pytest.mark.parametrize(
    ("role", "may_read", "may_write"),
    [("owner", 200, 201), ("admin", 200, 201), ("member", 200, 201), ("viewer", 200, 403)],
)
async def test_roles(
    api: httpx.AsyncClient, token: MintToken, role: str, may_read: int, may_write: int
) -> None:
    name = uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {token(user=name, org=name, role=role)}"}
    assert (await api.get("/api/v1/contacts", headers=headers)).status_code == may_read
    assert (await add(api, headers)).status_code == may_write


async def test_a_viewer_may_look_and_not_upload(office: Office, token: MintToken) -> None:
    viewer = Office(office.api, token)
    viewer.headers = {"Authorization": f"Bearer {token(user='v', org=viewer.name, role='viewer')}"}
    assert (await viewer.upload(csv_of(people(1)))).status_code == 403
    assert (await office.api.get("/api/v1/imports", headers=viewer.headers)).status_code == 200


@pytest.mark.usefixtures("worker")
async def test_an_import_outlives_the_membership_of_who_started_it(
    office: Office, session_worker: AppProcess, as_admin: Connection
) -> None:
    session_worker.stop()
    accepted = await office.upload(csv_of(people(10)))
    import_id = accepted.json()["id"]
    removed = as_admin.execute(
        "select app.set_membership(%s, %s, false)", (office.name, provider.subject(office.name))
    ).fetchone()
    assert removed == (1,)
    refused = await office.api.get(f"/api/v1/imports/{import_id}", headers=office.headers)
    assert refused.status_code == 403
    session_worker.start()
    async with asyncio.timeout(SECONDS):
        while as_admin.execute(
            "select count(*) from app.outbox where payload ->> 'import_id' = %s", (import_id,)
        ).fetchone() != (0,):
            await asyncio.sleep(0.05)
    [(tenant_id,)] = as_admin.execute(
        f"select id from {tenants.NAMED} t", [tenants.external_id(office.name)]
    ).fetchall()
    home = tenants.schema_of(tenant_id)
    done = as_admin.execute(
        f"select status, rows_done from {home}.imports where id = %s".encode(), (import_id,)
    ).fetchone()
    assert done == ("succeeded", 10)


async def test_a_viewer_hears_the_own_organization_and_no_other(
    person: Person, api: httpx.AsyncClient, token: MintToken, publisher: Channel
) -> None:
    viewer = Person(api, token, uuid.uuid4().hex, person.org, role="viewer")
    stranger = Person(api, token, uuid.uuid4().hex, uuid.uuid4().hex)
    async with (
        connect(api, await person.ticket()) as mine,
        connect(api, await viewer.ticket()) as ours,
        connect(api, await stranger.ticket()) as theirs,
    ):
        for client in (mine, ours, theirs):
            assert (await receive(client))["type"] == "hello"
        await publisher.publish(await person.tenant_id(), "ours", {})
        await publisher.publish(await stranger.tenant_id(), "theirs", {})
        heard = [(await receive(client))["type"] for client in (mine, ours, theirs)]
    assert heard == ["ours", "ours", "theirs"]


async def test_a_colleagues_ticket_renews_nothing(
    person: Person, api: httpx.AsyncClient, token: MintToken
) -> None:
    colleague = Person(api, token, uuid.uuid4().hex, person.org)
    async with connect(api, await person.ticket()) as client:
        await receive(client)
        await client.send(json.dumps({"type": "renew", "ticket": await colleague.ticket()}))
        assert await closed(client) == 4403


async def test_a_removed_member_loses_the_socket_and_gets_no_other(
    person: Person, api: httpx.AsyncClient, token: MintToken, as_admin: Connection
) -> None:
    colleague = Person(api, token, uuid.uuid4().hex, person.org)
    unused = await person.ticket()
    async with (
        connect(api, await person.ticket()) as client,
        connect(api, await colleague.ticket()) as other,
    ):
        await receive(client)
        await receive(other)
        removed = as_admin.execute(
            "update public.memberships m set status = 'removed', removed_at = now()"
            " from public.users u where u.id = m.user_id and u.subject = %s",
            (provider.subject(person.user),),
        )
        assert removed.rowcount == 1
        async with asyncio.timeout(SOON):
            assert await closed(client) == 4403
        await (await other.ping())
    async with connect(api, unused) as late:
        assert await closed(late) == 4403
    assert (await api.post(TICKETS, headers=person.headers())).status_code == 403


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database of these tests' own, in which no worker runs."""
    return new_database()


@pytest.fixture
def admin(database: Connections) -> Iterator[psycopg.Connection[Any]]:
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("role", "seen"), [("owner", True), ("admin", True), ("member", False), ("viewer", False)]
)
def test_the_audit_trail_is_read_by_admins(
    database: Connections, admin: psycopg.Connection[Any], role: str, seen: bool
) -> None:
    tenant = tenants.make(admin, uuid.uuid4().hex[:12])
    admin.execute(
        "update memberships set role = %s where org_id = %s and user_id = %s",
        [role, tenant.id, tenant.user_id],
    )
    with log_in(database.app_api) as connection:
        connection.execute(f"select {tenancy.ENTER}(%s, 'r')", [tenant.claims()])
        connection.execute("insert into contacts (name, email) values ('Ada', 'a@example.com')")
        found = connection.execute("select exists (select from audit.events)").fetchone()
    assert found == (seen,)
