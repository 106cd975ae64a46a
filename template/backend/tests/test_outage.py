"""Everybody works through a pooler while Postgres is restarted under them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import make_url

from app.choices import tenancy
from app.settings import Settings
from tests.conftest import MintToken
from tests.pooler import Pooler, pooled
from tests.running import Platform

SERVER_CONNECTIONS = 4
# A pooler keeps connections to each database, and a server has only so many.
TENANTS = 15 if tenancy.MODEL == "databases" else 50
CLIENTS = 200
SECONDS = 60.0

CONTACTS = "/api/v1/contacts"


@dataclass
class Tenant:
    """Somebody with a tenant of their own.

    Attributes:
        kept: The contacts that they were told are there.
        doubtful: The addresses of those of which they were told that it may not have worked.
    """

    name: str
    token: str
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)


class Crowd:
    """Clients who ask all the time, look at each answer, and do not wait when they are told to."""

    def __init__(self, http: httpx.AsyncClient, tenants: list[Tenant]) -> None:
        self.answers = Counter[int]()
        self._http = http
        self._tenants = tenants
        self._is_over = asyncio.Event()
        self._numbers = count()

    async def run(self, occurrences: Callable[[], Any]) -> None:
        """Have everybody work for as long as something happens."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._work(random.Random(number)))  # noqa: S311
            await occurrences()
            self._is_over.set()

    async def served(self, times: int) -> None:
        """Wait until so many more requests were served."""
        enough = self._served + times
        async with asyncio.timeout(SECONDS):
            while self._served < enough:
                await asyncio.sleep(0.01)

    @property
    def _served(self) -> int:
        return self.answers[200] + self.answers[201]

    async def _work(self, chance: random.Random) -> None:
        while not self._is_over.is_set():
            tenant = chance.choice(self._tenants)
            await chance.choice([self._list, self._add, self._steal])(tenant, chance)

    async def _list(self, tenant: Tenant, _: random.Random) -> None:
        before = set(tenant.kept)
        answer = await self._ask(tenant, "GET", CONTACTS, params={"limit": 200})
        if answer.status_code == 200:
            items = answer.json()["items"]
            assert {item["name"] for item in items} <= {tenant.name}
            if answer.json()["next_cursor"] is None:
                assert before <= {item["id"] for item in items}

    async def _add(self, tenant: Tenant, _: random.Random) -> None:
        email = f"n{next(self._numbers)}@example.com"
        new = {"name": tenant.name, "email": email}
        answer = await self._ask(tenant, "POST", CONTACTS, json=new)
        if answer.status_code == 201:
            made = answer.json()
            assert made == made | new
            tenant.kept[made["id"]] = made
        else:
            tenant.doubtful.add(email)

    async def _steal(self, tenant: Tenant, chance: random.Random) -> None:
        victim = chance.choice([other for other in self._tenants if other is not tenant])
        if victim.kept:
            theirs = chance.choice(list(victim.kept))
            answer = await self._ask(tenant, "GET", f"{CONTACTS}/{theirs}")
            assert answer.status_code in {404, 503}

    async def _ask(self, tenant: Tenant, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {tenant.token}"}
        answer = await self._http.request(method, path, headers=headers, **more)
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            await asyncio.sleep(0.05)
        else:
            assert answer.status_code in {200, 201, 404}, answer.text
        return answer


@pytest.fixture(scope="module")
def pooler(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    url = platform.direct("app_api")
    users = {"app_api": str(make_url(url).password)}
    with pooled(tmp_path_factory.mktemp("pooler"), url, users, SERVER_CONNECTIONS) as running:
        yield running


async def _arrives(http: httpx.AsyncClient, tenant: Tenant) -> None:
    """A new tenant is asked to come again for as long as a place of its own is made for it."""
    headers = {"Authorization": f"Bearer {tenant.token}"}
    async with asyncio.timeout(SECONDS):
        while (answer := await http.get("/api/v1/me", headers=headers)).status_code != 200:
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)


async def test_a_restart_costs_nobody_more_than_another_try(
    platform: Platform, pooler: Pooler, token: MintToken
) -> None:
    settings = {
        "DATABASE_URL": pooler.url,
        "DATABASE_POOL_SIZE": "50",
        "RATE_LIMIT_PER_ADDRESS": "1000000/minute",
    }
    if "listen_database_url" in Settings.model_fields:
        settings["LISTEN_DATABASE_URL"] = platform.direct("app_api")
    api, address = platform.api(platform.connections, **settings)
    api.start()
    names = [f"outage-{uuid4().hex[:8]}" for _ in range(TENANTS)]
    tenants = [Tenant(name, token(user=name, org=name)) for name in names]
    async with httpx.AsyncClient(
        base_url=address,
        timeout=SECONDS,
        trust_env=False,
        limits=httpx.Limits(max_connections=CLIENTS),
    ) as http:
        async with asyncio.TaskGroup() as group:
            for tenant in tenants:
                group.create_task(_arrives(http, tenant))
        crowd = Crowd(http, tenants)

        async def happens() -> None:
            await crowd.served(CLIENTS)
            pooler.reload()
            await crowd.served(CLIENTS)
            await asyncio.to_thread(platform.postgres.stop)
            before = crowd.answers[503]
            async with asyncio.timeout(SECONDS):
                while crowd.answers[503] == before:
                    await asyncio.sleep(0.01)
            pooler.reload()
            await asyncio.to_thread(platform.postgres.start)
            await crowd.served(2 * CLIENTS)

        await crowd.run(happens)
        assert api.is_running

        # Every contact that somebody was told of is there, once, and none is another's.
        for tenant in tenants:
            headers = {"Authorization": f"Bearer {tenant.token}"}
            found: list[dict[str, Any]] = []
            cursor = None
            while True:
                parameters = {"limit": 200} | ({"cursor": cursor} if cursor else {})
                answer = await http.get(CONTACTS, headers=headers, params=parameters)
                assert answer.status_code == 200, answer.text
                found += answer.json()["items"]
                cursor = answer.json()["next_cursor"]
                if cursor is None:
                    break
            by_id = {contact["id"]: contact for contact in found}
            assert len(by_id) == len(found)
            assert by_id == by_id | tenant.kept
            rest = [contact for id_, contact in by_id.items() if id_ not in tenant.kept]
            assert {contact["email"] for contact in rest} <= tenant.doubtful
            assert {contact["name"] for contact in found} <= {tenant.name}
    api.stop()
