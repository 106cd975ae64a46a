"""More requests than connections: who waits, who is told to come again, what is measured."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.connections import Connection
from app.database import create_engine, driver_of, is_connection_lost
from app.pool import LONGEST_LINE
from app.settings import Settings
from tests.conftest import MintToken
from tests.running import Platform


def measured(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def make(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], AsyncEngine]:
    def engine(timeout: float) -> AsyncEngine:
        for name, value in platform.environment(platform.connections.for_api()).items():
            monkeypatch.setenv(name, value)
        settings = Settings(database_pool_timeout=timeout)
        return create_engine(settings, application_name="pool", pool_size=1)

    return engine


@pytest.fixture
async def patient(make: Callable[[float], AsyncEngine]) -> AsyncIterator[AsyncEngine]:
    engine = make(30.0)
    yield engine
    await engine.dispose()


async def test_the_wait_is_measured(patient: AsyncEngine) -> None:
    before = measured("database_pool_wait_seconds_count")
    async with patient.connect() as held:
        waiting = asyncio.create_task(patient.connect().start())
        while measured("database_pool_waiting") == 0:
            await asyncio.sleep(0)
        await held.execute(text("select pg_sleep(0.1)"))
    connection = await waiting
    await connection.close()
    assert measured("database_pool_waiting") == 0
    assert measured("database_pool_wait_seconds_count") == before + 2
    assert measured("database_pool_wait_seconds_sum") > 0.1


async def test_who_waits_for_too_long_is_counted(make: Callable[[float], AsyncEngine]) -> None:
    engine = make(0.05)
    before = measured("database_pool_refused_total", reason="time")
    async with engine.connect():
        with pytest.raises(PoolTimeoutError):
            await engine.connect().start()
    assert measured("database_pool_refused_total", reason="time") == before + 1
    await engine.dispose()


async def test_a_line_that_is_too_long_grows_no_further(patient: AsyncEngine) -> None:
    before = measured("database_pool_refused_total", reason="line")
    async with patient.connect():
        line = [asyncio.create_task(patient.connect().start()) for _ in range(LONGEST_LINE)]
        while measured("database_pool_waiting") < LONGEST_LINE:
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            with pytest.raises(PoolTimeoutError, match="20 wait for one of 1 connections"):
                await patient.connect().start()
    for waiting in line:  # everybody who waited gets their turn
        await (await waiting).close()
    assert measured("database_pool_refused_total", reason="line") == before + 1


async def test_a_server_that_hangs_is_given_up(patient: AsyncEngine) -> None:
    async with patient.connect() as connection:
        driver = await driver_of(connection)
        assert isinstance(driver, Connection)
        assert driver.patience == Settings().database_statement_timeout + 30.0
        driver.patience = 1.0
        pid = (await connection.execute(text("select pg_backend_pid()"))).scalar_one()
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):
                with pytest.raises(OperationalError) as caught:
                    await connection.execute(text("select 1"))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert is_connection_lost(caught.value)
    async with patient.connect() as another:
        assert (await another.execute(text("select 1"))).scalar_one() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="each system names these options otherwise")
async def test_the_system_looks_after_a_connection_that_is_silent(patient: AsyncEngine) -> None:
    async with patient.connect() as connection:
        driver = await driver_of(connection)
        with socket.socket(fileno=os.dup(driver.fileno())) as connected:
            seconds = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            unanswered = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert (seconds, unanswered) == (15, 20_000)


async def test_an_api_without_a_free_connection_says_when_to_come_again(
    platform: Platform, token: MintToken
) -> None:
    process, address = platform.api(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="0.001")
    process.start()
    headers = {"Authorization": f"Bearer {token()}"}
    async with httpx.AsyncClient(base_url=address, timeout=30.0, trust_env=False) as client:
        while (await client.get("/api/v1/me", headers=headers)).status_code != 200:
            await asyncio.sleep(0.05)  # a new tenant's place is being made
        refused: list[httpx.Response] = []
        async with asyncio.timeout(60):
            while not refused:
                answers = await asyncio.gather(
                    *(client.get("/api/v1/contacts", headers=headers) for _ in range(100))
                )
                assert {answer.status_code for answer in answers} <= {200, 503}
                refused = [answer for answer in answers if answer.status_code == 503]
        for answer in refused:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "2"
            assert answer.json()["type"] == "urn:problem:unavailable"
        assert (await client.get("/api/v1/contacts", headers=headers)).status_code == 200
    process.stop()
