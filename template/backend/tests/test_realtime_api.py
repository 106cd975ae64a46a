"""Tickets and WebSockets of the whole product: real tokens, real database."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.choices import channel
from app.dev.processes import wait_until
from app.realtime.events import Channel
from app.settings import Settings
from tests.choices import tenants
from tests.conftest import MintToken
from tests.listening import SOON
from tests.running import AppProcess, Platform

TICKETS = "/api/v1/realtime/tickets"

Connection = psycopg.Connection[Any]


@dataclass
class Person:
    """Someone who is signed in, and what they do."""

    api: httpx.AsyncClient
    mint: MintToken
    user: str
    org: str
    role: str = "member"

    def headers(self, ttl: int = 600) -> dict[str, str]:
        token = self.mint(user=self.user, org=self.org, role=self.role, ttl=ttl)
        return {"Authorization": f"Bearer {token}"}

    async def tenant_id(self) -> UUID:
        return tenants.id_of((await self.api.get("/api/v1/me", headers=self.headers())).json())

    async def ticket(self, ttl: int = 600) -> str:
        issued = await self.api.post(TICKETS, headers=self.headers(ttl))
        assert issued.status_code == 201, issued.text
        ticket: str = issued.json()["ticket"]
        return ticket


@pytest.fixture
def person(api: httpx.AsyncClient, token: MintToken) -> Person:
    """Somebody whom no other test knows."""
    name = uuid.uuid4().hex
    return Person(api, token, name, name)


@pytest.fixture
async def publisher(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Channel]:
    """The way by which a worker tells browsers."""
    environment = platform.environment(platform.connections.for_worker())
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    opened = channel.create_channel(Settings())
    yield opened
    await opened.close()


def connect(api: httpx.AsyncClient | str, ticket: str, query: str = "") -> open_websocket:
    address = api if isinstance(api, str) else str(api.base_url)
    return open_websocket(
        f"{address.rstrip('/').replace('http', 'ws', 1)}/api/v1/realtime{query}",
        subprotocols=[Subprotocol("realtime.v1"), Subprotocol(f"ticket.{ticket}")],
        proxy=None,
        open_timeout=SOON,
    )


async def receive(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(SOON):
        message: dict[str, Any] = json.loads(await client.recv())
    return message


async def closed(client: ClientConnection) -> int:
    """Read to the end, and say with which code it ended."""

    async def read() -> None:
        async with asyncio.timeout(SOON):
            while True:
                await client.recv()

    with pytest.raises(ConnectionClosed) as ended:
        await read()
    assert ended.value.rcvd is not None, "the connection broke without a reason"
    return ended.value.rcvd.code


async def test_a_ticket_is_shown_once_and_kept_only_as_a_hash(
    person: Person, as_admin: Connection
) -> None:
    before = datetime.now(UTC)
    issued = await person.api.post(TICKETS, headers=person.headers())
    assert issued.status_code == 201
    assert issued.headers["Cache-Control"] == "no-store"
    ticket = issued.json()["ticket"]
    expires_at = datetime.fromisoformat(issued.json()["expires_at"])
    assert timedelta(0) < expires_at - before <= timedelta(seconds=31)
    row = as_admin.execute(
        "select t::text, t.tenant_id from app.realtime_tickets t where hash = %s",
        (hashlib.sha256(ticket.encode()).digest(),),
    ).fetchone()
    assert row is not None
    assert ticket not in row[0]
    assert row[1] == await person.tenant_id()


async def test_there_is_no_ticket_without_a_token(api: httpx.AsyncClient) -> None:
    assert (await api.post(TICKETS)).status_code == 401


async def test_a_person_hears_their_own_tenant_and_no_other(
    person: Person, api: httpx.AsyncClient, token: MintToken, publisher: Channel
) -> None:
    stranger = Person(api, token, uuid.uuid4().hex, uuid.uuid4().hex)
    async with (
        connect(api, await person.ticket()) as mine,
        connect(api, await stranger.ticket()) as theirs,
    ):
        for client in (mine, theirs):
            assert (await receive(client))["type"] == "hello"
        await publisher.publish(await person.tenant_id(), "ours", {})
        await publisher.publish(await stranger.tenant_id(), "theirs", {})
        heard = [(await receive(client))["type"] for client in (mine, theirs)]
    assert heard == ["ours", "theirs"]


async def test_a_ticket_opens_one_socket_even_when_two_race_for_it(person: Person) -> None:
    ticket = await person.ticket()

    async def first_word() -> str | int:
        async with connect(person.api, ticket) as client:
            try:
                return str((await receive(client))["type"])
            except ConnectionClosed:
                return client.close_code or 0

    outcomes = await asyncio.gather(*(first_word() for _ in range(8)))
    assert sorted(outcomes, key=str) == [4401] * 7 + ["hello"]


async def test_an_expired_ticket_opens_nothing(person: Person, as_admin: Connection) -> None:
    ticket = await person.ticket()
    as_admin.execute(
        "update app.realtime_tickets set expires_at = now() where hash = %s",
        (hashlib.sha256(ticket.encode()).digest(),),
    )
    async with connect(person.api, ticket) as client:
        assert await closed(client) == 4401


async def test_the_lease_ends_with_the_token_unless_a_fresh_one_renews_it(person: Person) -> None:
    began = asyncio.get_running_loop().time()
    async with (
        connect(person.api, await person.ticket(ttl=3)) as ending,
        connect(person.api, await person.ticket(ttl=3)) as renewed,
    ):
        await receive(ending)
        hello = await receive(renewed)
        await renewed.send(json.dumps({"type": "renew", "ticket": await person.ticket(ttl=600)}))
        answer = await receive(renewed)
        assert answer["type"] == "renewed"
        assert answer["data"]["lease_expires_at"] > hello["data"]["lease_expires_at"]
        assert await closed(ending) == 4401
        assert 1 < asyncio.get_running_loop().time() - began < 5
        await (await renewed.ping())


async def test_another_persons_ticket_renews_nothing(
    person: Person, api: httpx.AsyncClient, token: MintToken
) -> None:
    stranger = Person(api, token, uuid.uuid4().hex, uuid.uuid4().hex)
    async with connect(api, await person.ticket()) as client:
        await receive(client)
        await client.send(json.dumps({"type": "renew", "ticket": await stranger.ticket()}))
        assert await closed(client) == 4403


async def test_a_suspended_tenant_loses_its_sockets_and_gets_no_other(
    person: Person, api: httpx.AsyncClient, token: MintToken, as_admin: Connection
) -> None:
    stranger = Person(api, token, uuid.uuid4().hex, uuid.uuid4().hex)
    unused, tenant = await person.ticket(), await person.tenant_id()
    async with (
        connect(api, await person.ticket()) as client,
        connect(api, await stranger.ticket()) as other,
    ):
        await receive(client)
        await receive(other)
        as_admin.execute("update public.tenants set state = 'suspended' where id = %s", (tenant,))
        async with asyncio.timeout(SOON):
            assert await closed(client) == 4403
        await (await other.ping())
    async with connect(api, unused) as late:
        assert await closed(late) == 4403
    assert (await api.post(TICKETS, headers=person.headers())).status_code == 403


async def test_no_ticket_reaches_the_log(
    person: Person, api_process: tuple[AppProcess, str]
) -> None:
    ticket = await person.ticket()
    address = str(person.api.base_url).replace("http", "ws", 1)
    url = f"{address.rstrip('/')}/api/v1/realtime?ticket={ticket}"
    async with open_websocket(url, proxy=None) as client:
        await receive(client)
    # A later request's line shows that the earlier ones are written.
    marker = uuid.uuid4().hex
    await person.api.get("/api/v1/me", headers={**person.headers(), "X-Request-ID": marker})

    log = api_process[0].log
    written = await asyncio.to_thread(wait_until, lambda: marker in log.read_text(), SOON)
    assert written
    assert ticket not in log.read_text()


async def test_a_client_resumes_at_another_process_when_its_own_was_killed(
    platform: Platform, person: Person, publisher: Channel
) -> None:
    tenant = await person.tenant_id()
    process, address = platform.api()
    process.start()
    async with connect(address, await person.ticket()) as client:
        await receive(client)
        for number in range(5):
            await publisher.publish(tenant, "counted", {"n": number})
        seen = [await receive(client) for _ in range(2)]
        process.kill()
    await publisher.publish(tenant, "counted", {"n": 5})
    query = f"?last_event_id={seen[-1]['id']}"
    async with connect(person.api, await person.ticket(), query) as client:
        assert (await receive(client))["data"]["resumed"] is True
        seen += [await receive(client) for _ in range(4)]
    assert [event["data"]["n"] for event in seen] == list(range(6))


async def test_a_stopping_api_tells_its_sockets_to_reconnect(
    platform: Platform, person: Person
) -> None:
    process, address = platform.api()
    process.start()
    async with connect(address, await person.ticket()) as client:
        await receive(client)
        stopping = asyncio.create_task(asyncio.to_thread(process.stop))
        assert await closed(client) == 1012
        async with asyncio.timeout(SOON):
            await stopping
