"""How procrastinate is told to end, and what it makes of a server that was restarted."""

import asyncio

import pytest

from app.jobs import procrastinate
from tests.conftest import Connection
from tests.running import Platform


async def test_a_worker_that_did_not_hear_it_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procrastinate, "CLOSING_SECONDS", 0.05)
    begun, told = asyncio.Event(), []

    async def connecting() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("unheard")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("heard")
            raise

    worker = asyncio.create_task(connecting())
    await begun.wait()
    async with asyncio.timeout(10):
        await procrastinate._end(worker, drain=0.0)  # noqa: SLF001
    assert told == ["unheard", "heard"]


async def test_a_worker_that_drains_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procrastinate, "CLOSING_SECONDS", 10.0)
    begun, drained = asyncio.Event(), asyncio.Event()

    async def draining() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            drained.set()
            raise

    worker = asyncio.create_task(draining())
    await begun.wait()
    await procrastinate._end(worker, drain=10.0)  # noqa: SLF001
    assert drained.is_set()


async def test_a_server_that_is_back_is_ready_at_the_first_look(
    platform: Platform, as_admin: Connection
) -> None:
    direct = platform.direct("app_api")
    queue = procrastinate.Procrastinate(direct, direct)
    try:
        await queue.check()
        ended = as_admin.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where application_name = 'queue' and usename = 'app_api'"
        ).fetchall()
        assert (True,) in ended
        await queue.check()
    finally:
        await queue.close()
