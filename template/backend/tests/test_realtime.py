"""Events from publisher to hub to socket, against a real broker, over real WebSockets."""

import asyncio
import json
import logging
import random
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from app.choices import channel
from app.dev.processes import LOOPBACK
from app.realtime import connection, tickets
from app.realtime.access import Member
from app.realtime.endpoints import connect as connect_endpoint
from app.realtime.events import KEPT_EVENTS, MAX_EVENT_BYTES, START, Channel, Listener, Position
from app.realtime.hub import TOO_MANY, TOO_SLOW, Hub
from tests.choices import broker as brokers
from tests.listening import SOON, Reader, eventually, numbers_of, publish


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    with brokers.open_broker(tmp_path_factory.mktemp("realtime")) as running:
        yield running


@pytest.fixture
def broker(server: brokers.Broker) -> brokers.Broker:
    """A running broker. A test may stop or kill it."""
    server.start()
    return server


@pytest.fixture
async def publisher(broker: brokers.Broker) -> AsyncIterator[Channel]:
    channel = broker.channel()
    yield channel
    await channel.close()


@pytest.fixture
async def hub(broker: brokers.Broker) -> AsyncIterator[Hub]:
    async with Hub(broker.channel()) as running:
        yield running


@pytest.fixture
def tenant() -> UUID:
    return uuid4()


# --- ids -----------------------------------------------------------------------------------------


def test_positions_order_as_numbers_not_as_text() -> None:
    assert Position.parse("9-10") > Position.parse("9-9")
    assert Position.parse("10-0") > Position.parse("9-99")
    assert str(Position.parse("007-01")) == "7-1"


@pytest.mark.parametrize(
    "text",
    ["", "7", "7-", "-1", "a-0", "7-0 ", "7-0\n", "\u0667-0", f"{2**64}-0", "1" * 21 + "-0", "$"],
)
def test_what_is_no_event_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="event"):
        Position.parse(text)


# --- hearing and resuming ------------------------------------------------------------------------


async def test_every_process_hears_its_tenants_and_no_other(
    broker: brokers.Broker, publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    other = uuid4()
    async with Hub(broker.channel()) as second_process:
        with (
            hub.subscribe(tenant, "a", None) as mine,
            second_process.subscribe(tenant, "b", None) as ours,
            second_process.subscribe(other, "c", None) as theirs,
        ):
            readers = [await Reader.of(subscriber) for subscriber in (mine, ours, theirs)]
            await publish(publisher, tenant, range(3))
            await publish(publisher, other, range(100, 103))
            heard = [await reader.numbers(3) for reader in readers]
    assert heard == [[0, 1, 2], [0, 1, 2], [100, 101, 102]]


async def test_a_message_says_what_was_published(
    publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    with hub.subscribe(tenant, "a", None) as subscriber:
        reader = await Reader.of(subscriber)
        await publisher.publish(tenant, "import.progress", {"id": str(tenant), "done": 5, "x": "ü"})
        message = await reader.next()
    assert message == {
        "id": str(reader.last),
        "type": "import.progress",
        "data": {"id": str(tenant), "done": 5, "x": "ü"},
    }


async def test_a_client_resumes_exactly_after_the_last_event_that_it_saw(
    publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    with hub.subscribe(tenant, "a", None) as subscriber:
        reader = await Reader.of(subscriber)
        await publish(publisher, tenant, range(10))
        assert await reader.numbers(4) == [0, 1, 2, 3]
    await publish(publisher, tenant, range(10, 20))
    with hub.subscribe(tenant, "a", reader.last) as subscriber:
        resumed = await Reader.of(subscriber)
        await publish(publisher, tenant, range(20, 25))
        assert resumed.resumed
        assert numbers_of(resumed.first) == list(range(4, 20))
        assert await resumed.numbers(5) == list(range(20, 25))


async def test_a_client_that_has_seen_no_event_yet_can_resume_too(
    publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    with hub.subscribe(tenant, "a", None) as subscriber:
        reader = await Reader.of(subscriber)
    assert (reader.last, reader.resumed, reader.first) == (START, False, [])
    await publish(publisher, tenant, range(3))
    with hub.subscribe(tenant, "a", reader.last) as subscriber:
        assert numbers_of((await Reader.of(subscriber)).first) == [0, 1, 2]


async def test_a_new_client_starts_after_what_was_and_can_resume_from_there(
    publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    await publish(publisher, tenant, range(3))
    with hub.subscribe(tenant, "a", None) as subscriber:
        reader = await Reader.of(subscriber)
    assert reader.first == []
    await publish(publisher, tenant, range(3, 5))
    with hub.subscribe(tenant, "a", reader.last) as subscriber:
        assert numbers_of((await Reader.of(subscriber)).first) == [3, 4]


@pytest.mark.parametrize("forgotten", ["oldest", "start", "future"])
async def test_who_cannot_be_brought_up_to_date_is_told_and_then_hears_what_follows(
    publisher: Channel, hub: Hub, tenant: UUID, forgotten: str
) -> None:
    await publish(publisher, tenant, range(1))
    oldest = (await publisher.replay(tenant, None)).last
    await publish(publisher, tenant, range(1, KEPT_EVENTS + 300))
    newest = (await publisher.replay(tenant, None)).last
    after = {"oldest": oldest, "start": START, "future": Position(newest.major + 10**9, 0)}
    with hub.subscribe(tenant, "a", after[forgotten]) as subscriber:
        reader = await Reader.of(subscriber)
        assert not reader.resumed
        assert reader.first == [{"id": str(newest), "type": "resync", "data": {}}]
        await publish(publisher, tenant, range(7, 9))
        assert await reader.numbers(2) == [7, 8]


async def test_what_several_publish_at_once_arrives_in_one_order_for_all(
    broker: brokers.Broker, publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    second = broker.channel()
    with (
        hub.subscribe(tenant, "a", START) as mine,
        hub.subscribe(tenant, "b", START) as yours,
    ):
        readers = [await Reader.of(mine), await Reader.of(yours)]
        await asyncio.gather(
            publish(publisher, tenant, range(200)), publish(second, tenant, range(1000, 1200))
        )
        heard = [await reader.numbers(400) for reader in readers]
    await second.close()
    assert heard[0] == heard[1]
    assert [number for number in heard[0] if number < 1000] == list(range(200))
    assert [number for number in heard[0] if number >= 1000] == list(range(1000, 1200))


async def test_ten_thousand_events_arrive_in_order_once_while_clients_come_and_go(
    publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    total = 10_000
    choice = random.Random(7)  # noqa: S311  # no secret

    async def restless() -> list[int]:
        seen: list[int] = []
        last = START
        while len(seen) < total:
            with hub.subscribe(tenant, object(), last) as subscriber:
                reader = await Reader.of(subscriber)
                assert reader.resumed
                seen += numbers_of(reader.first)
                stay = min(total - len(seen), choice.randrange(1, 900))
                seen += await reader.numbers(stay)
                last = reader.last
        return seen

    async def settled() -> list[int]:
        with hub.subscribe(tenant, object(), START) as subscriber:
            reader = await Reader.of(subscriber)
            first = numbers_of(reader.first)
            return first + await reader.numbers(total - len(first))

    clients = [asyncio.create_task(client()) for client in (settled, restless, restless)]
    await publish(publisher, tenant, range(total))
    for seen in await asyncio.gather(*clients):
        assert seen == list(range(total))


# --- limits --------------------------------------------------------------------------------------


async def test_a_slow_socket_ends_and_resumes_without_loss(
    broker: brokers.Broker, publisher: Channel, tenant: UUID
) -> None:
    async with Hub(broker.channel(), backlog=10) as hub:
        with (
            hub.subscribe(tenant, "slow", None) as slow,
            hub.subscribe(tenant, "quick", None) as quick,
        ):
            reader = await Reader.of(slow)
            others = await Reader.of(quick)
            for number in range(30):
                await publish(publisher, tenant, range(number, number + 1))
                assert await others.numbers(1) == [number]
            async with asyncio.timeout(SOON):
                assert await slow.ended == TOO_SLOW
            assert not quick.ended.done()
            seen = await reader.numbers(5)
        with hub.subscribe(tenant, "slow", reader.last) as again:
            assert seen + numbers_of((await Reader.of(again)).first) == list(range(30))


async def test_one_person_cannot_hold_all_sockets(broker: brokers.Broker, tenant: UUID) -> None:
    async with Hub(broker.channel(), sockets_per_principal=1) as hub:
        with hub.subscribe(tenant, "a", None) as first:
            with (
                hub.subscribe(tenant, "a", None) as second,
                hub.subscribe(tenant, "b", None) as other,
            ):
                assert second.ended.result() == TOO_MANY
                assert not first.ended.done()
                assert not other.ended.done()
            assert hub.sockets == 1
        with hub.subscribe(tenant, "a", None) as later:
            assert not later.ended.done()


async def test_an_event_too_big_is_dropped_and_the_next_one_arrives(
    publisher: Channel, hub: Hub, tenant: UUID
) -> None:
    with hub.subscribe(tenant, "a", None) as subscriber:
        reader = await Reader.of(subscriber)
        await publisher.publish(tenant, "huge", {"x": "x" * MAX_EVENT_BYTES})
        await publish(publisher, tenant, range(1))
        assert (await reader.next())["type"] == "counted"


# --- a broker that dies --------------------------------------------------------------------------


class Gated:
    """A channel on which nobody listens before the gate is open."""

    def __init__(self, channel: Channel) -> None:
        self.gate = asyncio.Event()
        self.publish = channel.publish
        self.replay = channel.replay
        self.close = channel.close
        self._channel = channel

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        await self.gate.wait()
        async with self._channel.listen() as listener:
            yield listener


async def test_nothing_is_lost_or_doubled_when_the_broker_is_killed_and_comes_back(
    broker: brokers.Broker, publisher: Channel, tenant: UUID
) -> None:
    gated = Gated(broker.channel())
    gated.gate.set()
    async with Hub(gated) as hub:
        with hub.subscribe(tenant, "a", None) as subscriber:
            reader = await Reader.of(subscriber)
            for attempt in range(3):
                gated.gate.clear()
                await publish(publisher, tenant, range(10 * attempt, 10 * attempt + 5))
                await broker.kill()
                await publish(publisher, tenant, range(1000, 1003))  # dropped: nobody is there
                broker.start()
                # The hub cannot hear yet: it must catch up with these.
                await publish(publisher, tenant, range(10 * attempt + 5, 10 * attempt + 10))
                gated.gate.set()
                assert await reader.numbers(10) == list(range(10 * attempt, 10 * attempt + 10))
            assert not subscriber.ended.done()


async def test_publishing_without_a_broker_neither_fails_nor_lingers(
    broker: brokers.Broker, publisher: Channel, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_PATIENCE", 0.1)
    broker.stop()
    # A pooler keeps clients waiting for a server that is gone: each event is given up by itself.
    async with asyncio.timeout(SOON):
        await publish(publisher, tenant, range(20))


async def test_a_broker_that_hangs_is_left_and_found_again(
    broker: brokers.Broker, publisher: Channel, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_SILENCE", 0.2)
    monkeypatch.setattr(channel, "_PATIENCE", 0.5)
    async with Hub(broker.channel()) as impatient:
        with impatient.subscribe(tenant, "a", None) as subscriber:
            reader = await Reader.of(subscriber)
            with broker.hanging():

                async def deaf() -> bool:
                    return not impatient.connected

                await eventually(deaf)
                async with asyncio.timeout(SOON):
                    await publish(publisher, tenant, range(1000, 1001))  # given up

            async def hears() -> bool:
                return impatient.connected

            await eventually(hears)
            await publish(publisher, tenant, range(2))
            # What was given up may have happened all the same: its confirmation is what was lost.
            numbers = await reader.numbers(2)
            if 1000 in numbers:
                numbers = [number for number in numbers if number != 1000] + await reader.numbers(1)
            assert numbers == [0, 1]


# --- the WebSocket -------------------------------------------------------------------------------


class Site:
    """The endpoint on a real server; who holds which ticket is decided here, not in a database."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.port = 0
        self.tickets: dict[str, tickets.Redeemed] = {}
        self.members: dict[str, Member] = {}
        self.down = False
        self.server: uvicorn.Server | None = None

    def ticket(self, member: Member, seconds: float = 60) -> str:
        subject = f"{member.user_id}@{member.tenant_id}"
        self.members.setdefault(subject, member)
        ticket = secrets.token_urlsafe(32)
        ends = datetime.now(UTC) + timedelta(seconds=seconds)
        self.tickets[ticket] = tickets.Redeemed({"sub": subject}, ends)
        return ticket

    def remove(self, member: Member) -> None:
        self.members.pop(f"{member.user_id}@{member.tenant_id}")

    async def redeem(self, _: object, ticket: str) -> tickets.Redeemed | None:
        self._reach_database()
        return self.tickets.pop(ticket, None)

    async def check(self, claims: Mapping[str, Any]) -> Member | None:
        self._reach_database()
        return self.members.get(claims["sub"])

    def _reach_database(self) -> None:
        if self.down:
            raise OperationalError("", {}, Exception("down"))

    def connect(
        self,
        ticket: str,
        query: str = "",
        *,
        subprotocols: tuple[str, ...] | None = None,
        origin: str | None = None,
    ) -> open_websocket:
        offered = subprotocols or ("realtime.v1", f"ticket.{ticket}")
        return open_websocket(
            f"ws://{LOOPBACK}:{self.port}/api/v1/realtime{query}",
            subprotocols=[Subprotocol(name) for name in offered],
            origin=Origin(origin) if origin else None,
            proxy=None,
            open_timeout=SOON,
        )


@asynccontextmanager
async def serving(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    site = Site(hub)
    monkeypatch.setattr(tickets, "redeem", site.redeem)
    app = FastAPI()
    app.add_api_websocket_route("/api/v1/realtime", connect_endpoint)
    app.state.hub = hub
    app.state.engine = None
    app.state.check_access = site.check
    app.state.settings = SimpleNamespace(allowed_origins=["https://app.example.com"])
    site.server = uvicorn.Server(
        uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=16 * 1024,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
    )
    with socket.create_server((LOOPBACK, 0)) as listening:
        site.port = listening.getsockname()[1]
        running = asyncio.create_task(site.server.serve(sockets=[listening]))
        server = site.server

        async def started() -> bool:
            return server.started

        await eventually(started)
        yield site
        server.should_exit = True
        await running


@pytest.fixture
async def site(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with serving(hub, monkeypatch) as running:
        yield running


@pytest.fixture
def member(tenant: UUID) -> Member:
    return Member(uuid4(), tenant)


async def receive(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(SOON):
        message: dict[str, Any] = json.loads(await client.recv())
    return message


async def closed(client: ClientConnection) -> tuple[int, str]:
    """Read to the end, and say how it ended."""

    async def read() -> None:
        async with asyncio.timeout(SOON):
            while True:
                await client.recv()

    with pytest.raises(ConnectionClosed) as ended:
        await read()
    close = ended.value.rcvd
    assert close is not None, "the connection broke without a reason"
    return close.code, close.reason


async def test_a_browser_connects_with_a_subprotocol_and_hears_its_tenant(
    site: Site, member: Member, publisher: Channel
) -> None:
    async with site.connect(site.ticket(member), origin="https://app.example.com") as client:
        assert client.subprotocol == "realtime.v1"
        hello = await receive(client)
        assert hello["type"] == "hello"
        assert hello["id"] == "0-0"
        assert hello["data"]["resumed"] is False
        assert datetime.fromisoformat(hello["data"]["lease_expires_at"]) > datetime.now(UTC)
        await publish(publisher, uuid4(), range(100, 101))
        await publish(publisher, member.tenant_id, range(2))
        assert numbers_of([await receive(client), await receive(client)]) == [0, 1]


async def test_the_ticket_may_come_in_the_url_or_as_the_only_subprotocol(
    site: Site, member: Member
) -> None:
    ticket = site.ticket(member)
    async with site.connect("", f"?ticket={ticket}", subprotocols=("realtime.v1",)) as client:
        assert (await receive(client))["type"] == "hello"
    ticket = site.ticket(member)
    async with site.connect("", subprotocols=(f"ticket.{ticket}",)) as client:
        assert client.subprotocol == f"ticket.{ticket}"
        assert (await receive(client))["type"] == "hello"


async def test_no_ticket_reaches_a_log(
    site: Site, member: Member, caplog: pytest.LogCaptureFixture
) -> None:
    tickets_used = [site.ticket(member), "forged-" + "x" * 30]
    with caplog.at_level(logging.INFO, logger="uvicorn"):
        for ticket in tickets_used:
            async with site.connect("", f"?ticket={ticket}", subprotocols=("realtime.v1",)):
                pass
    assert "accepted" in caplog.text
    assert not [ticket for ticket in tickets_used if ticket in caplog.text]


async def test_a_client_resumes_over_the_websocket(
    site: Site, member: Member, publisher: Channel
) -> None:
    async with site.connect(site.ticket(member)) as client:
        await receive(client)
        await publish(publisher, member.tenant_id, range(2))
        last = (await receive(client))["id"]
    await publish(publisher, member.tenant_id, range(2, 4))
    async with site.connect(site.ticket(member), f"?last_event_id={last}") as client:
        hello = await receive(client)
        assert (hello["id"], hello["data"]["resumed"]) == (last, True)
        assert numbers_of([await receive(client) for _ in range(3)]) == [1, 2, 3]


async def test_a_ticket_opens_one_socket(site: Site, member: Member) -> None:
    ticket = site.ticket(member)
    async with site.connect(ticket) as client:
        assert (await receive(client))["type"] == "hello"
        async with site.connect(ticket) as second:
            assert (await closed(second))[0] == 4401


@pytest.mark.parametrize("ticket", ["", "x", "x" * 500])
async def test_a_socket_without_a_good_ticket_is_closed_with_the_reason(
    site: Site, ticket: str
) -> None:
    async with site.connect("", f"?ticket={ticket}", subprotocols=("realtime.v1",)) as client:
        assert await closed(client) == (4401, "ticket missing, unknown, used or expired")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://app.example.com.evil.example", "http://["]
)
async def test_another_sites_page_is_refused(site: Site, member: Member, origin: str) -> None:
    ticket = site.ticket(member)
    async with site.connect(ticket, origin=origin) as client:
        assert await closed(client) == (4403, "origin not allowed")
    assert ticket in site.tickets, "a refused origin must not spend the ticket"


async def test_a_page_of_the_same_host_is_welcome(site: Site, member: Member) -> None:
    origin = f"http://{LOOPBACK}:{site.port}"
    async with site.connect(site.ticket(member), origin=origin) as client:
        assert (await receive(client))["type"] == "hello"


@pytest.mark.parametrize("last_event_id", ["abc", "1", "1-2-3", "%00", "99999999999999999999-0"])
async def test_a_bad_event_id_is_a_clear_error(
    site: Site, member: Member, last_event_id: str
) -> None:
    async with site.connect(site.ticket(member), f"?last_event_id={last_event_id}") as client:
        assert (await closed(client))[0] == 4400


async def test_someone_who_is_no_member_is_refused(site: Site, member: Member) -> None:
    ticket = site.ticket(member)
    site.remove(member)
    async with site.connect(ticket) as client:
        assert (await closed(client))[0] == 4403


async def test_a_removed_member_loses_the_socket(site: Site, member: Member) -> None:
    colleague = Member(uuid4(), member.tenant_id)
    async with (
        site.connect(site.ticket(member)) as client,
        site.connect(site.ticket(colleague)) as other,
    ):
        await receive(client)
        await receive(other)
        site.remove(member)
        async with asyncio.timeout(SOON):
            assert (await closed(client))[0] == 4403
        pong = await other.ping()
        async with asyncio.timeout(SOON):
            await pong


async def test_the_lease_ends_with_the_token(site: Site, member: Member) -> None:
    async with site.connect(site.ticket(member, seconds=2)) as client:
        assert (await receive(client))["type"] == "hello"
        async with asyncio.timeout(SOON):
            assert await closed(client) == (4401, "lease ended")


async def test_a_fresh_ticket_of_the_same_person_renews_the_lease(
    site: Site, member: Member
) -> None:
    async with site.connect(site.ticket(member, seconds=2)) as client:
        hello = await receive(client)
        renewal = {"type": "renew", "ticket": site.ticket(member, seconds=4)}
        await client.send(json.dumps(renewal))
        renewed = await receive(client)
        assert (renewed["id"], renewed["type"]) == (None, "renewed")
        assert renewed["data"]["lease_expires_at"] > hello["data"]["lease_expires_at"]
        assert await closed(client) == (4401, "lease ended")
        assert datetime.fromisoformat(renewed["data"]["lease_expires_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize("stranger", ["same tenant", "same person elsewhere"])
async def test_someone_elses_ticket_renews_nothing(
    site: Site, member: Member, stranger: str
) -> None:
    other = (
        Member(uuid4(), member.tenant_id)
        if stranger == "same tenant"
        else Member(member.user_id, uuid4())
    )
    async with site.connect(site.ticket(member)) as client:
        await receive(client)
        await client.send(json.dumps({"type": "renew", "ticket": site.ticket(other)}))
        assert await closed(client) == (4403, "the ticket is someone else's")


async def test_a_spent_ticket_renews_nothing(site: Site, member: Member) -> None:
    ticket = site.ticket(member)
    async with site.connect(ticket) as client:
        await receive(client)
        await client.send(json.dumps({"type": "renew", "ticket": ticket}))
        assert (await closed(client))[0] == 4401


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("hello", 1008),
        ("{}", 1008),
        ('{"type": "subscribe", "ticket": "x"}', 1008),
        ('{"type": "renew"}', 1008),
        ('{"type": "renew", "ticket": 5}', 1008),
        ('{"type": "renew", "ticket": "x", "tenant": "y"}', 1008),
        ("[" * 2000, 1008),
        (b"\x00", 1003),
        ("x" * 3000, 1009),
        ("x" * 100_000, 1009),
    ],
)
async def test_what_is_not_understood_ends_the_socket(
    site: Site, member: Member, sent: str | bytes, code: int
) -> None:
    async with site.connect(site.ticket(member)) as client:
        await receive(client)
        await client.send(sent)
        assert (await closed(client))[0] == code


async def test_a_client_that_talks_too_much_is_cut_off(site: Site, member: Member) -> None:
    async with site.connect(site.ticket(member)) as client:
        await receive(client)
        for _ in range(connection.RENEWALS + 1):
            renewal = {"type": "renew", "ticket": site.ticket(member)}
            await client.send(json.dumps(renewal))
        assert await closed(client) == (1008, "too many messages")


async def test_the_21st_socket_of_one_person_is_refused(site: Site, member: Member) -> None:
    clients = [await site.connect(site.ticket(member)) for _ in range(20)]
    try:
        for client in clients:
            await receive(client)
        async with site.connect(site.ticket(member)) as one_too_many:
            assert (await closed(one_too_many))[0] == 4429
    finally:
        for client in clients:
            await client.close()


async def test_without_a_database_tickets_are_refused_but_sockets_live_on(
    site: Site, member: Member, publisher: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RECHECK", (0.05, 0.1))
    async with site.connect(site.ticket(member)) as client:
        await receive(client)
        site.down = True
        async with site.connect(site.ticket(member)) as second:
            assert (await closed(second))[0] == 1013
        await publish(publisher, member.tenant_id, range(1))
        assert numbers_of([await receive(client)]) == [0]
        monkeypatch.setattr(connection, "UNCHECKED", 0.0)
        assert (await closed(client))[0] == 1013


async def test_without_a_broker_a_new_socket_is_told_to_come_back(
    site: Site, member: Member, broker: brokers.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "JOIN_TIMEOUT", 0.3)
    broker.stop()
    async with site.connect(site.ticket(member)) as client:
        assert (await closed(client))[0] == 1013


async def test_a_stopping_server_tells_its_sockets_to_reconnect(
    hub: Hub, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(hub, monkeypatch) as site, site.connect(site.ticket(member)) as client:
        await receive(client)
        assert site.server is not None
        site.server.should_exit = True
        assert (await closed(client))[0] == 1012


async def test_a_socket_that_reads_nothing_is_given_up(
    broker: brokers.Broker,
    member: Member,
    publisher: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT", 0.2)
    async with (
        Hub(broker.channel(), backlog=10) as hub,
        serving(hub, monkeypatch) as site,
        open_websocket(
            f"ws://{LOOPBACK}:{site.port}/api/v1/realtime?ticket={site.ticket(member)}",
            proxy=None,
            max_queue=1,
        ) as client,
    ):
        await receive(client)
        client.transport.pause_reading()
        filling = {"x": "x" * 10_000}

        async def gone() -> bool:
            for _ in range(50):
                await publisher.publish(member.tenant_id, "filling", filling)
            return hub.sockets == 0

        await eventually(gone)
        client.transport.abort()
