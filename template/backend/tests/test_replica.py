"""Requests that only read, on a real streaming replica: paused, killed, promoted.

The last tests change what it is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.choices import tenancy
from app.database import create_engine
from app.dev.servers import Connections
from app.settings import Settings
from app.tenancy import replica as module
from app.tenancy.replica import Replica
from app.tenancy.session import Standing, transaction
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.crew import until
from tests.running import Platform
from tests.standby import Standby, following

ADD = text("insert into contacts (name, email) values ('Ada', :email)")
COUNT = text("select count(*) from contacts")
WHERE = text("select pg_is_in_recovery()")

LAG, QUIET = 0.6, 1.2


@pytest.fixture(scope="module")
def standby(
    platform: Platform, database: Connections, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standby]:
    assert database.admin is not None
    with following(platform.postgres, tmp_path_factory.mktemp("standby")) as standby:
        yield standby


@pytest.fixture
def settings(
    platform: Platform,
    database: Connections,
    standby: Standby,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    for name, value in platform.environment(database.for_api()).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("READ_DATABASE_URL", standby.of(database.app_api))
    return Settings()


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings, application_name="tests")
    yield engine
    await engine.dispose()


@pytest.fixture
async def replica(
    engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replica]:
    """As a process has it, with less patience."""
    monkeypatch.setattr(module, "MOST_LAG", LAG)
    monkeypatch.setattr(module, "QUIET_SECONDS", QUIET)
    replica = tenancy.replica(engine, settings)
    assert replica is not None
    async with replica.watched():
        await until(lambda: replica.is_fresh)
        yield replica


@pytest.fixture
def tenant(admin: Connection) -> tenants.Tenant:
    return tenants.make(admin, uuid4().hex[:12])


def claims_of(tenant: tenants.Tenant) -> dict[str, object]:
    return tenants.claims(tenant.name)


async def read(replica: Replica, tenant: tenants.Tenant) -> tuple[str, int, Standing]:
    """Where a request that reads is answered, how many contacts it finds, and what it proves."""
    async with replica.transaction(claims_of(tenant), "reads") as (session, standing, where):
        if standing.tenant_id is None:
            return where, 0, standing
        assert await session.scalar(WHERE) == (where == "replica")
        return where, await session.scalar(COUNT) or 0, standing


async def reads_at(where: str, replica: Replica, tenant: tenants.Tenant) -> int:
    """Read until it is done there, and say what was found."""
    async with asyncio.timeout(30):
        while True:
            found, count, _ = await read(replica, tenant)
            if found == where:
                return count
            await asyncio.sleep(0.05)


async def add(engine: AsyncEngine, tenant: tenants.Tenant) -> None:
    async with transaction(engine, claims_of(tenant), "writes") as (session, _):
        await session.execute(ADD, {"email": f"{uuid4().hex}@example.com"})


async def test_who_has_written_reads_it_and_later_elsewhere(
    replica: Replica, engine: AsyncEngine, tenant: tenants.Tenant
) -> None:
    for count in range(1, 21):
        await add(engine, tenant)
        assert (await read(replica, tenant))[:2] == ("primary", count)
    assert await reads_at("replica", replica, tenant) == 20
    await add(engine, tenant)
    assert (await read(replica, tenant))[:2] == ("primary", 21)


async def test_what_somebody_else_wrote_for_a_tenant_is_read_too(
    replica: Replica, admin: Connection, tenant: tenants.Tenant
) -> None:
    """Another process, a worker, an operator: the audit trail knows them all."""
    assert await reads_at("replica", replica, tenant) == 0
    table, column = f"{tenants.schema_of(tenant.id)}.contacts", tenancy.TENANT_COLUMN
    insert = f"insert into {table} ({column}, name, email) values (%s, 'A', 'a@b.c')"
    admin.execute(insert.encode(), [tenant.id])
    assert (await read(replica, tenant))[:2] == ("primary", 1)


async def test_a_copy_that_falls_behind_is_not_read(
    replica: Replica, engine: AsyncEngine, standby: Standby, tenant: tenants.Tenant
) -> None:
    standby.order("pg_wal_replay_pause")
    try:
        await add(engine, tenant)
        await until(lambda: not replica.is_fresh)
        # By now the tenant has been quiet for long enough.
        await asyncio.sleep(QUIET)
        assert (await read(replica, tenant))[:2] == ("primary", 1)
    finally:
        standby.order("pg_wal_replay_resume")
    assert await reads_at("replica", replica, tenant) == 1


async def test_a_copy_that_only_says_it_is_near_is_not_read(
    replica: Replica, engine: AsyncEngine, standby: Standby, tenant: tenants.Tenant
) -> None:
    """One address may lead to several copies: each one says for itself where it is."""
    standby.order("pg_wal_replay_pause")
    try:
        await add(engine, tenant)
        await asyncio.sleep(QUIET + LAG)
        replica._fresh_as_of = float("inf")  # noqa: SLF001  # as another copy would be
        assert (await read(replica, tenant))[:2] == ("primary", 1)
    finally:
        standby.order("pg_wal_replay_resume")


async def test_a_copy_of_another_database_is_not_read(
    replica: Replica, tenant: tenants.Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has more than was ever written, as one of a server that was replaced may have."""
    await reads_at("replica", replica, tenant)
    monkeypatch.setattr(module, "_WRITTEN", "select 1::bigint")
    await until(lambda: not replica.is_fresh)
    await asyncio.sleep(LAG)
    assert (await read(replica, tenant))[0] == "primary"


async def test_who_is_shut_out_is_out_at_once(
    replica: Replica, admin: Connection, standby: Standby, tenant: tenants.Tenant
) -> None:
    assert await reads_at("replica", replica, tenant) == 0
    standby.order("pg_wal_replay_pause")
    try:
        await until(lambda: replica.is_fresh)
        admin.execute("update public.tenants set state = 'suspended' where id = %s", [tenant.id])
        where, _, standing = await read(replica, tenant)
        assert (where, standing.obstacle) == ("primary", "suspended")
        admin.execute("update public.tenants set state = 'active' where id = %s", [tenant.id])
        if tenancy.TENANT == "organization":
            removed = "update memberships set status = 'removed', removed_at = now()"
            admin.execute(f"{removed} where org_id = %s".encode(), [tenant.id])
            where, _, standing = await read(replica, tenant)
            assert (where, standing.tenant_id) == ("primary", None)
    finally:
        standby.order("pg_wal_replay_resume")


async def test_nothing_can_be_written_there(replica: Replica, tenant: tenants.Tenant) -> None:
    await reads_at("replica", replica, tenant)
    async with replica.transaction(claims_of(tenant), "writes") as (session, _, where):
        assert where == "replica"
        with pytest.raises(InternalError, match="read-only transaction"):
            await session.execute(ADD, {"email": "a@b.c"})
        await session.rollback()


class Site:
    """An API that reads from the replica."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"/api/v1{path}", headers=self.headers)

    async def measured(self, name: str) -> float:
        found = (await self.http.get("/metrics")).text.splitlines()
        values = [float(line.split()[-1]) for line in found if line.startswith(name)]
        return sum(values)


@pytest.fixture(scope="module")
async def site(
    platform: Platform, database: Connections, standby: Standby, token: MintToken
) -> AsyncIterator[Site]:
    process, address = platform.api(database, READ_DATABASE_URL=standby.of(database.app_api))
    process.start()
    name = f"reads-{uuid4().hex[:8]}"
    async with httpx.AsyncClient(base_url=address, timeout=30.0, trust_env=False) as http:
        yield Site(http, token(user=name, org=name, role="member"))
    process.stop()


async def at_replica(site: Site, path: str) -> None:
    """Ask until an answer comes from there."""
    async with asyncio.timeout(60):
        while True:
            before = await site.measured('database_reads_total{where="replica"}')
            await site.get(path)
            if await site.measured('database_reads_total{where="replica"}') > before:
                return
            await asyncio.sleep(0.1)


async def test_an_endpoint_that_writes_is_asked_again_where_it_can(
    site: Site, admin: Connection
) -> None:
    """Here: a refusal, which is recorded."""
    if tenancy.TENANT != "organization":
        pytest.skip("nobody is refused what is theirs")
    await at_replica(site, "/contacts")
    answer = await site.get("/audit-events")
    assert answer.status_code == 403
    assert await site.measured('requests_repeated_total{reason="writes"}') == 1
    recorded = admin.execute(
        "select new ->> 'path' from audit.events where action = 'access.denied'"
    ).fetchall()
    assert recorded == [("/api/v1/audit-events",)]


async def test_a_replica_that_dies_costs_nobody_an_answer(site: Site, standby: Standby) -> None:
    await at_replica(site, "/contacts")
    is_over = False
    answers: list[int] = []

    async def ask() -> None:
        while not is_over:
            answers.append((await site.get("/contacts")).status_code)

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(ask())
        await until(lambda: len(answers) > 50)
        await asyncio.to_thread(standby.stop)
        seen = len(answers)
        await until(lambda: len(answers) > seen + 50)
        is_over = True
    assert set(answers) == {200}
    await asyncio.to_thread(standby.start)
    await at_replica(site, "/contacts")


async def test_a_replica_that_is_promoted_is_none_any_more(
    replica: Replica, engine: AsyncEngine, standby: Standby, tenant: tenants.Tenant
) -> None:
    await reads_at("replica", replica, tenant)
    await asyncio.to_thread(standby.order, "pg_promote")
    for count in range(1, 6):
        await add(engine, tenant)
        assert (await read(replica, tenant))[:2] == ("primary", count)
    await until(lambda: not replica.is_fresh)
    await asyncio.sleep(QUIET + LAG)
    assert (await read(replica, tenant))[:2] == ("primary", 5)


def test_another_role_may_not_read_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Connections
) -> None:
    assert settings
    monkeypatch.setenv("READ_DATABASE_URL", database.migrator)
    with pytest.raises(ValueError, match="must log in as the same role"):
        Settings()
