"""Requests in whose way another transaction was: real deadlocks and real serialization failures."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI, Request
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database import sqlalchemy_url
from app.dev.servers import Connections
from app.repeat import ATTEMPTS, Repeat
from app.security import problems

LOCK = text("select pg_advisory_xact_lock(:key)")
COUNT = text("select count(*) from public.counted")
ADD = text("insert into public.counted (name) values (:name)")
SERIALIZABLE = text("set transaction isolation level serializable")
REFUSE = text("do $$ begin raise 'no' using errcode = 'serialization_failure'; end $$")


class Site:
    """An application with endpoints that meet in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.asked = Counter[str]()
        self.meeting = asyncio.Barrier(2)
        self._engine = engine
        self.app = FastAPI()
        problems.install(self.app)
        self.app.add_middleware(Repeat)
        self.app.add_api_route("/locks/{one}/{two}", self.locks, methods=["GET", "POST"])
        self.app.add_api_route("/counted/{name}", self.counted, methods=["GET"])
        self.app.add_api_route("/never", self.never, methods=["GET"])
        self.app.add_api_route("/read", self.reads, methods=["GET"])

    async def locks(self, one: int, two: int) -> None:
        """Take two locks; whoever takes them in the other order meets us in between."""
        async with self._engine.begin() as session:
            await session.execute(LOCK, {"key": one})
            await self._meet(f"{one} {two}")
            await session.execute(LOCK, {"key": two})

    async def counted(self, name: str) -> int:
        """Count, and add what another one's count lacks."""
        async with self._engine.begin() as session:
            await session.execute(SERIALIZABLE)
            count = await session.scalar(COUNT)
            await self._meet(name)
            await session.execute(ADD, {"name": name})
        return int(count or 0)

    async def never(self) -> None:
        """Be refused each time."""
        self.asked["never"] += 1
        async with self._engine.begin() as session:
            await session.execute(REFUSE)

    async def reads(self, request: Request) -> None:
        """Read the request's body before being refused."""
        self.asked["read"] += 1
        await request.body()
        async with self._engine.begin() as session:
            await session.execute(REFUSE)

    async def _meet(self, name: str) -> None:
        self.asked[name] += 1
        if self.asked[name] == 1:
            await self.meeting.wait()


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    database = new_database(migrated=False)
    with psycopg.connect(database.migrator) as owner:
        owner.execute("create table public.counted (name text)")
        owner.execute("grant usage on schema public to public")
        owner.execute("grant select, insert on public.counted to public")
    return database


@pytest.fixture
async def site(database: Connections) -> AsyncIterator[Site]:
    engine = create_async_engine(sqlalchemy_url(database.app_api))
    yield Site(engine)
    await engine.dispose()


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(site.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


def repeated() -> float:
    return REGISTRY.get_sample_value("requests_repeated_total", {"reason": "conflict"}) or 0.0


async def both(http: httpx.AsyncClient, method: str, *paths: str) -> list[int]:
    answers = await asyncio.gather(*(http.request(method, path) for path in paths))
    return sorted(answer.status_code for answer in answers)


async def test_a_deadlock_of_two_who_read_costs_neither_an_answer(
    site: Site, http: httpx.AsyncClient
) -> None:
    before = repeated()
    assert await both(http, "GET", "/locks/11/12", "/locks/12/11") == [200, 200]
    assert site.asked.total() == 3
    assert repeated() == before + 1


async def test_a_deadlock_of_two_who_write_is_for_one_of_them_to_ask_again(
    site: Site, http: httpx.AsyncClient
) -> None:
    assert await both(http, "POST", "/locks/21/22", "/locks/22/21") == [200, 503]
    assert site.asked.total() == 2


async def test_what_cannot_be_serialized_is_done_one_after_the_other(
    site: Site, http: httpx.AsyncClient
) -> None:
    names = [uuid4().hex for _ in range(2)]
    answers = await asyncio.gather(*(http.get(f"/counted/{name}") for name in names))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(answer.json() for answer in answers) == [0, 1]
    assert site.asked.total() == 3


async def test_it_is_tried_so_often_and_no_more(site: Site, http: httpx.AsyncClient) -> None:
    answer = await http.get("/never")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert site.asked["never"] == ATTEMPTS


async def test_a_request_that_was_read_is_not_there_any_more_to_be_tried_again(
    site: Site, http: httpx.AsyncClient
) -> None:
    assert (await http.get("/read")).status_code == 503
    assert site.asked["read"] == 1
