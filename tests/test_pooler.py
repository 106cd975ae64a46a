"""Behind a pooler in transaction mode, tenants share connections and nothing else."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from driving import API, START_SECONDS, Client, Product, claims_of
from pooling import LOGIN, Pooler, api_behind, pooled, program
from rendering import each, name_of

pytest_plugins = ["products"]

pytestmark = pytest.mark.parametrize(
    "combination", each("tenancy_model"), ids=name_of, indirect=True, scope="session"
)

SERVER_CONNECTIONS = 4
API_CONNECTIONS = 50
TENANTS = 20
CLIENTS = 200
REQUESTS = 10
"""So many of each client, one after the other."""

FIRST_CONTACTS = 3

Contact = dict[str, Any]


@dataclass
class Tenant:
    """Someone with a tenant of their own, and what they have been told that is in it."""

    name: str
    token: str
    contacts: dict[str, Contact] = field(default_factory=dict)
    changes: set[tuple[str, str, str]] = field(default_factory=set)
    """What the audit trail must say: the request's id, the action, the row's id."""

    def owns(self, contact: Contact) -> bool:
        """Whether a contact is one that they wrote, and not just one that has an id of theirs."""
        name, email = str(contact["name"]), str(contact["email"])
        return name == self.name and email.endswith(f"@{self.name}.example")

    def note(self, request_id: str, action: str, contact: Contact) -> None:
        self.contacts[contact["id"]] = contact
        self.changes.add((request_id, action, contact["id"]))


@pytest.fixture(scope="module")
def running(product: Product) -> Product:
    program()
    return product.running()


@pytest.fixture(scope="module")
def pooler(running: Product) -> Iterator[Pooler]:
    with pooled(running, SERVER_CONNECTIONS) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def url(running: Product, pooler: Pooler) -> Iterator[str]:
    # The machine that runs the tests may be slow: what is tested is whose rows come, not when.
    settings = {"DATABASE_POOL_SIZE": str(API_CONNECTIONS), "DATABASE_POOL_TIMEOUT": "60"}
    with api_behind(pooler, running, **settings) as url:
        yield url


@pytest.fixture(scope="module")
def tenants(running: Product) -> list[Tenant]:
    names = [f"pooled-{uuid4().hex[:8]}" for _ in range(TENANTS)]
    return [Tenant(name, running.token(name, name)) for name in names]


def test_two_hundred_clients_of_many_tenants_get_their_own(
    running: Product, pooler: Pooler, url: str, tenants: list[Tenant]
) -> None:
    asyncio.run(everybody(url, pooler, tenants))

    # The load was what it should be: many connections on one side, few on the other.
    assert len(connections(pooler, "clients")) > 2 * SERVER_CONNECTIONS
    servers = Counter(row["database"] for row in connections(pooler, "servers"))
    assert max(servers.values()) == SERVER_CONNECTIONS
    assert sum(row["total_xact_count"] for row in pooler.show("stats")) >= CLIENTS * REQUESTS

    # Past the pooler, and from the start: every row and every record, once, and no other.
    for tenant in tenants:
        client = Client(running, tenant.name, tenant.token)
        found = client.everything("/contacts", limit=200)
        assert len(found) == len(tenant.contacts)
        assert {contact["id"]: contact for contact in found} == tenant.contacts
        recorded = client.everything("/audit-events", table="contacts", limit=200)
        assert len(recorded) == len(tenant.changes)
        assert {(r["request_id"], r["action"], r["row_id"]) for r in recorded} == tenant.changes
        assert {r["actor"] for r in recorded} == {client.get("/me")["user"]["subject"]}


def connections(pooler: Pooler, side: str) -> list[dict[str, Any]]:
    return [row for row in pooler.show(side) if row["database"] != "pgbouncer"]


async def everybody(url: str, pooler: Pooler, tenants: list[Tenant]) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(somebody_who_does_not_say_who(pooler))
        browsers = [
            Browser(await stack.enter_async_context(http(url)), tenants, f"client-{number}")
            for number in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as group:
            for browser, tenant in zip(browsers, tenants, strict=False):
                group.create_task(browser.begin(tenant))
        async with asyncio.TaskGroup() as group:
            for browser in browsers:
                group.create_task(browser.work())


def http(url: str) -> httpx.AsyncClient:
    """A connection of one's own; without TLS, whose certificates would take long to load."""
    return httpx.AsyncClient(base_url=f"{url}{API}", timeout=120.0, trust_env=False, verify=False)  # noqa: S501


class Browser:
    """A client that asks for one tenant after the other, and looks at each answer."""

    def __init__(self, connection: httpx.AsyncClient, tenants: list[Tenant], name: str) -> None:
        self._http = connection
        self._tenants = tenants
        self._random = random.Random(name)  # noqa: S311  # the same in every run
        self._numbers = (f"{name}.{number}" for number in count())
        self._own: list[tuple[Tenant, str]] = []

    async def begin(self, tenant: Tenant) -> None:
        """What a tenant has before the others come."""
        await self._arrives(tenant)
        for _ in range(FIRST_CONTACTS):
            await self.adds(tenant)

    async def work(self) -> None:
        actions: list[Callable[[Tenant], Awaitable[None]]] = [
            *(self.lists, self.reads, self.reads_what_is_not_theirs),
            *(self.adds, self.changes, self.reads_me),
        ]
        for _ in range(REQUESTS):
            await self._random.choice(actions)(self._random.choice(self._tenants))

    async def lists(self, tenant: Tenant) -> None:
        before = set(tenant.contacts)
        page = await self._ask(tenant, 200, "GET", "/contacts", params={"limit": 200})
        assert page["next_cursor"] is None, "there are more contacts than fit on a page"
        assert all(tenant.owns(contact) for contact in page["items"]), page
        assert before <= {contact["id"] for contact in page["items"]}

    async def reads(self, tenant: Tenant) -> None:
        wanted = self._random.choice(list(tenant.contacts))
        found = await self._ask(tenant, 200, "GET", f"/contacts/{wanted}")
        assert found["id"] == wanted
        assert tenant.owns(found), found

    async def reads_what_is_not_theirs(self, tenant: Tenant) -> None:
        other = self._random.choice([other for other in self._tenants if other is not tenant])
        theirs = self._random.choice(list(other.contacts))
        await self._ask(tenant, 404, "GET", f"/contacts/{theirs}")

    async def adds(self, tenant: Tenant) -> None:
        request_id = next(self._numbers)
        new = {"name": tenant.name, "email": f"{request_id}@{tenant.name}.example"}
        made = await self._ask(tenant, 201, "POST", "/contacts", request_id, json=new)
        assert made == made | new
        tenant.note(request_id, "insert", made)
        self._own.append((tenant, made["id"]))

    async def changes(self, _: Tenant) -> None:
        """Only what this client has added, so that the last word is known."""
        if not self._own:
            return
        tenant, contact_id = self._random.choice(self._own)
        request_id = next(self._numbers)
        path, company = f"/contacts/{contact_id}", {"company": request_id}
        changed = await self._ask(tenant, 200, "PATCH", path, request_id, json=company)
        assert changed == tenant.contacts[contact_id] | company
        tenant.note(request_id, "update", changed)

    async def reads_me(self, tenant: Tenant) -> None:
        me = await self._ask(tenant, 200, "GET", "/me")
        assert me["user"]["subject"] == claims_of(tenant.token)[1]["sub"]
        if me["organization"] is not None:
            assert me["organization"]["slug"] == tenant.name

    async def _arrives(self, tenant: Tenant) -> None:
        """A new tenant is asked to come again for as long as a place of its own is made for it."""
        headers = {"Authorization": f"Bearer {tenant.token}"}
        async with asyncio.timeout(START_SECONDS):
            while (answer := await self._http.get("/me", headers=headers)).status_code != 200:
                assert answer.status_code == 503, answer.text
                assert answer.json()["type"] == "urn:problem:tenant-not-ready"
                await asyncio.sleep(float(answer.headers["Retry-After"]))
        await self.reads_me(tenant)

    async def _ask(
        self,
        tenant: Tenant,
        status: int,
        method: str,
        path: str,
        request_id: str | None = None,
        **options: Any,
    ) -> Any:
        headers = {
            "Authorization": f"Bearer {tenant.token}",
            "X-Request-ID": request_id or next(self._numbers),
        }
        answer = await self._http.request(method, path, headers=headers, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()


@asynccontextmanager
async def somebody_who_does_not_say_who(pooler: Pooler) -> AsyncIterator[None]:
    """While the others ask, a client of the same connections finds nothing left of them there."""
    over = asyncio.Event()

    async def look() -> int:
        query = """
            select current_user, current_setting('search_path'), coalesce(string_agg(value, ''), '')
            from unnest(array['request.jwt.claims', 'app.request_id', 'app.tenant_id']) name,
                current_setting(name, true) value
        """
        looks = 0
        connection = await psycopg.AsyncConnection.connect(
            pooler.url, autocommit=True, prepare_threshold=None
        )
        async with connection:
            while not over.is_set():
                row = await (await connection.execute(query)).fetchone()
                assert row == (LOGIN, '"$user", public', ""), "a tenant's context was left behind"
                looks += 1
        return looks

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        over.set()
        looks = await looking
    assert looks > REQUESTS
