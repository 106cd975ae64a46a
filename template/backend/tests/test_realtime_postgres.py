"""What Postgres keeps of the events, whom it lets at them, and what listeners make of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import structlog
from psycopg import errors
from sqlalchemy import make_url
from structlog.testing import LogCapture

from app.dev.servers import Connections
from app.realtime import postgres
from app.realtime.events import (
    KEPT_EVENTS,
    KEPT_SECONDS,
    START,
    BrokerUnavailable,
    Heard,
    Position,
)
from app.realtime.hub import Hub
from app.realtime.postgres import PostgresChannel
from tests.choices import tenants
from tests.listening import SOON, Reader, publish
from tests.pooler import log_in
from tests.running import Platform

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database in which nobody else publishes."""
    return new_database()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> LogCapture:
    """What the channel logs, whatever an earlier test has made of the process's logging."""
    capture = LogCapture()
    everything = structlog.make_filtering_bound_logger(0)
    logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=everything)
    monkeypatch.setattr(postgres, "log", logger)
    return capture


@pytest.fixture
def admin(database: Connections) -> Iterator[Connection]:
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def channel(database: Connections, platform: Platform) -> AsyncIterator[PostgresChannel]:
    direct = platform.direct("app_api", make_url(database.app_api).database)
    opened = PostgresChannel(database.app_worker, direct)
    yield opened
    await opened.close()


@pytest.fixture
def tenant() -> UUID:
    return uuid4()


async def hear(
    channel: PostgresChannel, publishing: Mapping[UUID, Coroutine[Any, Any, None]], count: int
) -> list[Heard]:
    """The next events of these tenants, which are published once all of them are joined."""
    heard: list[Heard] = []
    joined = 0
    async with (
        asyncio.timeout(SOON),
        asyncio.TaskGroup() as group,
        channel.listen() as listener,
    ):
        await listener.join(publishing.keys())
        async for item in listener:
            if isinstance(item, Heard):
                heard.append(item)
            else:
                joined += 1
                if joined == len(publishing):
                    for coroutine in publishing.values():
                        group.create_task(coroutine)
            if len(heard) == count:
                break
    return heard


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """What is executed from here on: each connection with its query."""
    done: list[tuple[Any, str]] = []
    execute = psycopg.AsyncConnection.execute

    async def noting(self: Any, query: bytes, *arguments: Any, **options: Any) -> Any:
        done.append((self, query.decode()))
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", noting)
    return done


# --- what is kept --------------------------------------------------------------------------------


async def test_a_tenant_keeps_a_bounded_number_of_events(
    channel: PostgresChannel, admin: Connection, tenant: UUID
) -> None:
    await publish(channel, tenant, range(KEPT_EVENTS + 350))
    kept = admin.execute(
        "select (data -> 'n')::int from app.events where tenant_id = %s order by position",
        (tenant,),
    ).fetchall()
    assert KEPT_EVENTS <= len(kept) < 1.5 * KEPT_EVENTS
    assert kept == [(n,) for n in range(KEPT_EVENTS + 350 - len(kept), KEPT_EVENTS + 350)]


async def test_what_has_expired_is_cleared_up_by_whoever_publishes(
    channel: PostgresChannel, admin: Connection, tenant: UUID
) -> None:
    other = uuid4()
    await publish(channel, other, range(5))
    admin.execute(
        "update app.events set created_at = now() - make_interval(secs => %s)"
        " where tenant_id = %s and (data -> 'n')::int < 3",
        (KEPT_SECONDS + 60, other),
    )
    await publish(channel, tenant, range(100))
    kept = admin.execute(
        "select (data -> 'n')::int from app.events where tenant_id = %s order by 1", (other,)
    ).fetchall()
    assert kept == [(3,), (4,)]
    assert not (await channel.replay(other, START)).complete


async def test_a_restored_backup_makes_clients_look_at_the_database(
    channel: PostgresChannel, admin: Connection, tenant: UUID
) -> None:
    await publish(channel, tenant, range(5))
    second = (await channel.replay(tenant, START)).events[1]
    seen = (await channel.replay(tenant, None)).last
    assert second.id is not None
    kept = Position.parse(second.id)
    admin.execute(
        "delete from app.events where position > %s and tenant_id = %s", (kept[0], tenant)
    )
    admin.execute(
        "update app.event_streams set position = %s where tenant_id = %s", (kept[0], tenant)
    )
    assert await channel.replay(tenant, seen) == ((), kept, False)
    await publish(channel, tenant, range(5, 9))
    assert not (await channel.replay(tenant, seen)).complete
    resumed = await channel.replay(tenant, kept)
    assert [event.data["n"] for event in resumed.events] == [5, 6, 7, 8]


@pytest.mark.parametrize("after", [Position(2**64 - 1, 0), Position(5, 7), Position(0, 1)])
async def test_positions_of_another_broker_are_not_ours(
    channel: PostgresChannel, tenant: UUID, after: Position
) -> None:
    assert await channel.replay(tenant, after) == ((), START, False)
    await publish(channel, tenant, range(1))
    assert not (await channel.replay(tenant, after)).complete


# --- listening -----------------------------------------------------------------------------------


async def test_a_burst_is_read_with_few_queries(
    channel: PostgresChannel,
    admin: Connection,
    tenant: UUID,
    executed: list[tuple[Any, str]],
) -> None:
    async def burst() -> None:
        # One commit, so that the notifications come at once.
        admin.execute(
            "select app.publish_event(%s, 'counted', jsonb_build_object('n', n))"
            " from generate_series(0, 999) n",
            (tenant,),
        )

    heard = await hear(channel, {tenant: burst()}, 1000)
    assert [item.event.data["n"] for item in heard] == list(range(1000))
    assert len([query for _, query in executed if "events_after" in query]) <= 4


async def test_many_tenants_are_read_together_and_none_is_forgotten(
    channel: PostgresChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(postgres, "_TENANTS_AT_ONCE", 5)
    many = [uuid4() for _ in range(20)]
    publishing = {tenant: publish(channel, tenant, range(12)) for tenant in many}
    heard = await hear(channel, publishing, 20 * 12)
    for tenant in many:
        assert [h.event.data["n"] for h in heard if h.tenant == tenant] == list(range(12))


async def test_events_that_were_gone_before_they_were_read_are_noticed(
    channel: PostgresChannel, admin: Connection, tenant: UUID
) -> None:
    async with Hub(channel) as hub:
        with hub.subscribe(tenant, "a", START) as subscriber:
            reader = await Reader.of(subscriber)
            await publish(channel, tenant, range(2))
            assert await reader.numbers(2) == [0, 1]
            with admin.transaction():
                admin.execute("select app.publish_event(%s, 'lost', '{}')", (tenant,))
                admin.execute("delete from app.events where type = 'lost'")
            await publish(channel, tenant, range(3, 4))
            assert (await reader.next())["type"] == "resync"
            await publish(channel, tenant, range(4, 5))
            assert await reader.numbers(1) == [4]


async def test_notifications_that_anyone_could_send_do_no_harm(
    channel: PostgresChannel, admin: Connection, tenant: UUID
) -> None:
    async with Hub(channel) as hub:
        with hub.subscribe(tenant, "a", None) as subscriber:
            reader = await Reader.of(subscriber)
            for payload in ("", "x", f"{tenant}", f"{tenant} x", f"{tenant} {2**62}", "x 5"):
                admin.execute("select pg_notify('app_realtime', %s)", (payload,))
            await publish(channel, tenant, range(3))
            assert await reader.numbers(3) == [0, 1, 2]
            assert hub.connected


async def test_a_notification_carries_no_data(
    channel: PostgresChannel, admin: Connection, tenant: UUID
) -> None:
    admin.execute("listen app_realtime")
    await channel.publish(tenant, "secret.type", {"secret": "data"})
    (notify,) = admin.notifies(timeout=SOON, stop_after=1)
    assert notify.payload == f"{tenant} 0"


async def test_a_session_that_forgot_that_it_listens_counts_as_lost(
    channel: PostgresChannel,
    tenant: UUID,
    executed: list[tuple[Any, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "_SILENCE", 0.2)

    async def listen() -> None:
        async with asyncio.timeout(SOON), channel.listen() as listener:
            await listener.join([tenant])
            async for _ in listener:
                # As behind a pooler that gave the session to somebody else.
                await executed[0][0].execute(b"unlisten *")

    with pytest.raises(BrokerUnavailable, match="LISTEN_DATABASE_URL"):
        await listen()


async def test_a_session_that_the_server_ends_is_noticed_and_replaced(
    channel: PostgresChannel, admin: Connection, tenant: UUID, logged: LogCapture
) -> None:
    async with Hub(channel) as hub:
        with hub.subscribe(tenant, "a", None) as subscriber:
            reader = await Reader.of(subscriber)
            await publish(channel, tenant, range(1))
            ended = admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'realtime' and datname = current_database()"
            ).fetchall()
            assert len(ended) >= 2
            await publish(channel, tenant, range(1, 4))
            assert await reader.numbers(4) == [0, 1, 2, 3]
    assert "realtime.publish_failed" not in [entry["event"] for entry in logged.entries]


async def test_what_the_database_refuses_is_logged_once_and_counted(
    channel: PostgresChannel, tenant: UUID, logged: LogCapture
) -> None:
    for _ in range(3):
        await channel.publish(tenant, "", {})
    await publish(channel, tenant, range(1))
    assert [(entry["event"], entry.get("dropped")) for entry in logged.entries] == [
        ("realtime.publish_failed", None),
        ("realtime.publish_recovered", 3),
    ]


# --- who may -------------------------------------------------------------------------------------

CALLS = {
    "publish": "select app.publish_event(%s, 'x', '{}')",
    "read": "select * from app.events_after(array[%s::uuid], array[0], 10)",
    "last": "select app.last_event(%s)",
}


@pytest.mark.parametrize("call", CALLS)
def test_a_session_with_claims_reaches_its_own_tenant_only(
    database: Connections, admin: Connection, call: str
) -> None:
    mine = tenants.make(admin, uuid4().hex)
    with log_in(database.app_api) as session:
        session.execute("select app.enter(%s, 'x')", (mine.claims(),))
        assert session.execute(CALLS[call].encode(), (mine.id,)).fetchall() is not None
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(CALLS[call].encode(), (uuid4(),))


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("claims", [{"sub": "nobody"}, {"job_id": str(uuid4())}, {"role": "x"}])
@pytest.mark.parametrize("login", ["app_api", "app_worker"])
def test_a_session_whose_claims_prove_nothing_reaches_nothing(
    database: Connections, tenant: UUID, login: str, claims: dict[str, str], call: str
) -> None:
    with log_in(getattr(database, login)) as session:
        session.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute(CALLS[call].encode(), (tenant,))


@pytest.mark.parametrize("table", ["app.events", "app.event_streams"])
@pytest.mark.parametrize("login", ["app_api", "app_worker"])
@pytest.mark.parametrize(
    "statement",
    [
        "select from {}",
        "insert into {} (tenant_id) values (gen_random_uuid())",
        "update {} set position = 0",
        "delete from {}",
        "truncate {}",
    ],
)
def test_no_login_reaches_the_tables_themselves(
    database: Connections, login: str, table: str, statement: str
) -> None:
    with (
        log_in(getattr(database, login)) as session,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        session.execute(statement.format(table).encode())
