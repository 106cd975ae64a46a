"""What Valkey keeps and sends, and what becomes of clients when it forgets."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from app.dev.valkey import Valkey
from app.realtime.events import KEPT_EVENTS
from app.realtime.hub import Hub
from app.realtime.redis import RedisChannel
from tests.listening import Reader, eventually, publish


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey", password="broker", log=tmp_path / "valkey.log")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def publisher(broker: Valkey) -> AsyncIterator[RedisChannel]:
    channel = RedisChannel(broker.url)
    yield channel
    await channel.close()


@pytest.fixture
def tenant() -> UUID:
    return uuid4()


async def test_the_broker_sends_a_process_only_the_tenants_of_its_sockets(
    broker: Valkey, tenant: UUID
) -> None:
    async with (
        Hub(RedisChannel(broker.url)) as hub,
        Redis.from_url(broker.url, decode_responses=True) as client,
    ):

        async def channels() -> set[str]:
            return {str(name) for name in await client.pubsub_channels("realtime:*")}

        with hub.subscribe(tenant, "a", None) as subscriber:
            await Reader.of(subscriber)
            assert await channels() == {f"realtime:{tenant}"}
            with hub.subscribe(tenant, "b", None) as second:
                await Reader.of(second)
            assert await channels() == {f"realtime:{tenant}"}

        async def none() -> bool:
            return not await channels()

        await eventually(none)


async def test_a_tenant_keeps_a_bounded_and_expiring_stream(
    broker: Valkey, publisher: RedisChannel, tenant: UUID
) -> None:
    await publish(publisher, tenant, range(3 * KEPT_EVENTS))
    async with Redis.from_url(broker.url) as client:
        assert KEPT_EVENTS <= await client.xlen(f"realtime:{tenant}") < 1.5 * KEPT_EVENTS
        assert 0 < await client.ttl(f"realtime:{tenant}") <= 24 * 3600


async def test_a_broker_that_forgot_everything_makes_clients_look_at_the_database(
    tmp_path: Path, tenant: UUID
) -> None:
    broker = Valkey(tmp_path, password="x", log=tmp_path / "log", durable=False)
    broker.start()
    publisher = RedisChannel(broker.url)
    try:
        async with Hub(RedisChannel(broker.url)) as hub:
            with hub.subscribe(tenant, "a", None) as subscriber:
                reader = await Reader.of(subscriber)
                await publish(publisher, tenant, range(3))
                await reader.numbers(3)
                assert broker.process is not None
                broker.process.kill()
                broker.process.wait()
                broker.start()
                assert (await reader.next())["type"] == "resync"
                await publish(publisher, tenant, range(3, 5))
                assert await reader.numbers(2) == [3, 4]
    finally:
        await publisher.close()
        broker.stop()
