"""Databases of tenants: made on demand, found by the right token only, migrated, moved, bounded."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import jobs
from app.dev.choices import provider
from app.dev.postgres import Postgres
from app.dev.processes import free_port, wait_until
from app.dev.servers import BACKEND, Connections, login_url
from app.jobs.housekeeping import KeepHouse, keep_house
from app.settings import Settings
from app.tenancy.database_places import DatabasePlaces
from app.tenancy.pools import Databases, Place
from app.tenancy.session import transaction
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.running import AppProcess, Platform
from tests.test_webhooks import SECRET, Provider

TENANTS = 10
SECONDS = 120.0
SECOND = "second"


@dataclass(frozen=True)
class Product:
    """A control database, a second server, and the ways to both."""

    platform: Platform
    connections: Connections
    second: Postgres
    servers: Mapping[str, str]

    def settings(self, login: str, **more: str) -> dict[str, str]:
        """What a process of this login is told."""
        servers = json.dumps({SECOND: self.servers[login]})
        # A queue of its own: the worker of other tests knows none of these databases.
        return {"TENANT_SERVERS": servers, "QUEUE_NAME": "databases", **more}

    @property
    def operator(self) -> dict[str, str]:
        others = json.dumps({SECOND: self.servers["migrator"]})
        told = self.settings("app_worker", MIGRATION_TENANT_SERVERS=others)
        return self.platform.environment({**self.connections.for_operator(), **told})

    def types(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """An operator's command."""
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            env={**self.operator, **settings},
            cwd=BACKEND,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def succeeds(self, *arguments: str) -> str:
        process = self.types(*arguments)
        told, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, told
        return told

    def admin(self, database: str | None = None, server: str = "default") -> Connection:
        """A superuser's connection."""
        postgres = self.second if server == SECOND else self.platform.postgres
        assert self.connections.admin is not None
        name = database or self.connections.admin.rpartition("/")[2]
        return psycopg.connect(postgres.url("postgres", database=name), autocommit=True)

    def at(self, tenant_id: UUID) -> tuple[str, str]:
        """The server and the database of a tenant."""
        with self.admin() as control:
            query = "select server, database from tenant_databases where id = %s"
            server, database = control.execute(query, [tenant_id]).fetchall()[0]
        return server, database

    def home(self, tenant_id: UUID) -> Connection:
        """A superuser's connection to a tenant's database."""
        server, database = self.at(tenant_id)
        return self.admin(database, server)

    def pools(self, name: str = "tests", **more: str) -> Databases:
        """The connections of an API's process, by the name that the server lists."""
        told = self.settings("app_api", **more)
        values = self.platform.environment({**self.connections.for_api(), **told})
        known: dict[str, Any] = {name.lower(): value for name, value in values.items()}
        known["tenant_servers"] = json.loads(known["tenant_servers"])
        return Databases(Settings(_env_file=None, **known), application_name=name)


@pytest.fixture(scope="module")
def product(
    platform: Platform,
    new_database: Callable[..., Connections],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("second")
    password = secrets.token_urlsafe()
    log = folder / "postgres.log"
    second = Postgres(folder / "data", name="second", password=password, log=log, durable=False)
    with ExitStack() as stack:
        stack.callback(second.destroy)
        second.start()
        connections = new_database(migrated=False)
        owner = second.url()
        servers = {"migrator": owner}
        for login in ("app_api", "app_worker"):
            its_password = platform.environment({})[f"{login.upper()}_PASSWORD"]
            servers[login] = login_url(owner, login, its_password)
        made = Product(platform, connections, second, servers)
        made.succeeds("migrate")
        yield made


@pytest.fixture
def control(product: Product) -> Iterator[Connection]:
    with product.admin() as connection:
        yield connection


@pytest.fixture(scope="module")
async def client(product: Product) -> AsyncIterator[httpx.AsyncClient]:
    """Of an API, beside which databases are made as soon as a tenant is there."""
    product.platform.start_others(product.connections)
    told = product.settings("app_api", AUTH_WEBHOOK_SECRETS=SECRET)
    process, address = product.platform.api(product.connections, **told)
    process.start()
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=60.0) as made:
        yield made
    process.stop()


@pytest.fixture(scope="module")
def jobs_done(product: Product) -> Iterator[AppProcess]:
    """A worker."""
    process = product.platform.worker(product.connections, **product.settings("app_worker"))
    process.start()
    yield process
    process.stop()


def organizations(control: Connection, count: int) -> list[UUID]:
    """Tenants that have no database yet."""
    return [
        row[0]
        for row in control.execute(
            "insert into organizations (external_id, slug, name)"
            " select %s || i, 's' || i, 'T' from generate_series(1, %s) i returning id",
            [uuid4().hex, count],
        )
    ]


def scalar(connection: Connection, query: str, *values: object) -> Any:
    (row,) = connection.execute(query.encode(), values).fetchall()
    return row[0]


def ready(control: Connection, among: list[UUID]) -> list[UUID]:
    query = "select id from tenant_databases where revision = %s and error is null and id = any(%s)"
    found = control.execute(query + " order by id", [DatabasePlaces().current(), among])
    return [tenant_id for (tenant_id,) in found]


def assert_whole(product: Product, made: list[UUID]) -> None:
    """Each has one database, at the current version, with itself and nobody else in it."""
    for tenant_id in made:
        with product.home(tenant_id) as home:
            assert scalar(home, "select array_agg(id) from organizations") == [tenant_id]
            assert scalar(home, "select owner from app.here") == tenant_id
            versions = scalar(
                home,
                "select array_agg(version_num::text order by 1)"
                " from app_migrations.alembic_version",
            )
            assert " ".join(versions) == DatabasePlaces().current()
            assert (
                scalar(
                    home,
                    "select count(*) from audit.events"
                    " where table_name = 'organizations' and action = 'insert'",
                )
                == 1
            )


async def a_tenant(client: httpx.AsyncClient, token: MintToken) -> tuple[UUID, str, dict[str, str]]:
    name = uuid4().hex
    headers = {"Authorization": f"Bearer {token(user=name, org=name, role='owner')}"}
    me = await client.get("/me", headers=headers)
    assert me.status_code == 200, me.text
    return tenants.id_of(me.json()), name, headers


def contact() -> dict[str, str]:
    return {"name": "Ada", "email": f"{uuid4().hex}@example.org", "amount": "1.00"}


# --- Made and migrated --------------------------------------------------------------------------


def test_a_killed_migration_goes_on_where_it_was(product: Product, control: Connection) -> None:
    made = organizations(control, TENANTS)
    first = product.types("migrate")
    wait_until(lambda: first.poll() is not None or len(ready(control, made)) >= 2, SECONDS)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    before = ready(control, made)
    assert 2 <= len(before) < TENANTS, "the kill did not come in the middle"
    done_at = "select array_agg(changed_at order by id) from tenant_databases where id = any(%s)"
    moments = scalar(control, done_at, before)

    left = TENANTS - len(before)
    assert f"{left} of {left} tenants migrated." in product.succeeds("migrate")
    assert ready(control, made) == sorted(made)
    assert scalar(control, done_at, before) == moments, "what was done was done again"
    assert_whole(product, made)
    assert "tenants migrated" not in product.succeeds("migrate")


def test_a_server_that_is_away_holds_up_its_own_tenants_only(
    product: Product, control: Connection
) -> None:
    (tenant_id,) = organizations(control, 1)
    away = f"postgresql://migrator:x@127.0.0.1:{free_port()}/postgres"
    servers = json.dumps({"away": away, SECOND: product.servers["migrator"]})
    process = product.types("migrate", MIGRATION_TENANT_SERVERS=servers)
    told, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, told
    assert "The server 'away' cannot be reached" in told
    assert ready(control, [tenant_id]) == [tenant_id]


def test_a_killed_provisioner_goes_on_where_it_was(product: Product, control: Connection) -> None:
    made = organizations(control, 6)
    hexes = [tenant_id.hex for tenant_id in made]
    count = "select count(*) from pg_database where split_part(datname, '_', 3) = any(%s)"
    first = product.types("databases", "serve")
    # In the middle of one: there is a database more than there are tenants that are ready.
    wait_until(lambda: scalar(control, count, hexes) > max(1, len(ready(control, made))), SECONDS)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert len(ready(control, made)) < len(made), "the kill did not come in the middle"
    second = product.types("databases", "serve")
    try:
        assert wait_until(lambda: ready(control, made) == sorted(made), SECONDS)
    finally:
        second.send_signal(signal.SIGTERM)
        told, _ = second.communicate(timeout=SECONDS)
    assert second.returncode == 0, told
    assert scalar(control, count, hexes) == len(made)
    assert_whole(product, made)


async def test_a_tenant_that_is_behind_is_asked_to_wait(
    product: Product, client: httpx.AsyncClient, token: MintToken, control: Connection
) -> None:
    (late_id, _, late), (_, _, other) = [await a_tenant(client, token) for _ in range(2)]
    set_version = (
        "update app_migrations.alembic_version set version_num = %s where version_num = %s"
    )
    with product.home(late_id) as home:
        home.execute(set_version, ["t0001", "t0002"])
        control.execute(
            "update tenant_databases set revision = 'c0001 t0001' where id = %s", [late_id]
        )
        refused = await client.get("/contacts", headers=late)
        assert (refused.status_code, refused.json()["type"]) == (
            503,
            "urn:problem:tenant-not-ready",
        )
        assert int(refused.headers["Retry-After"]) > 0
        assert (await client.get("/contacts", headers=other)).status_code == 200
        at_root = str(client.base_url).replace("/api/v1/", "/readyz")
        told = await client.get(at_root)
        assert (told.status_code, told.json()["tenants_behind"]) == (200, 1)
        home.execute(set_version, ["t0002", "t0001"])
    assert "1 of 1 tenants migrated." in product.succeeds("migrate")
    assert (await client.get("/contacts", headers=late)).status_code == 200


# --- Told by the provider ---------------------------------------------------------------------


async def test_what_the_provider_tells_reaches_the_organizations_database(
    product: Product, client: httpx.AsyncClient, token: MintToken, control: Connection
) -> None:
    root = str(client.base_url).removesuffix("/api/v1/")
    async with httpx.AsyncClient(base_url=root, timeout=60.0) as api:
        told = Provider(api, token)
        (removed_id, removed, as_removed), (deleted_id, deleted, as_deleted), (_, _, other) = [
            await a_tenant(client, token) for _ in range(3)
        ]
        now = time.time()
        organization = tenants.external_id(removed)
        subject = provider.subject(removed)
        await told.tell("member.deleted", now, organization=organization, subject=subject)
        await told.tell("user.deleted", now, subject=provider.subject(deleted))
        for headers in (as_removed, as_deleted):
            assert (await client.get("/contacts", headers=headers)).status_code == 403
        assert (await client.get("/contacts", headers=other)).status_code == 200
        await told.tell("organization.updated", now, organization=organization, name="Renamed")
    for tenant_id in (removed_id, deleted_id):
        with product.home(tenant_id) as home:
            assert scalar(home, "select array_agg(status) from memberships") == ["removed"]
    name = "select name from organizations where id = %s"
    with product.home(removed_id) as home:
        assert scalar(home, name, removed_id) == scalar(control, name, removed_id) == "Renamed"


async def test_what_was_told_before_there_was_a_database_counts(
    client: httpx.AsyncClient, token: MintToken
) -> None:
    name = uuid4().hex
    ids = {"organization": tenants.external_id(name), "subject": provider.subject(name)}
    root = str(client.base_url).removesuffix("/api/v1/")
    async with httpx.AsyncClient(base_url=root, timeout=60.0) as api:
        told = Provider(api, token)
        await told.tell("member.deleted", time.time(), **ids)
        headers = told.headers(name, name, "owner")
        assert (await client.get("/me", headers=headers)).json().get("organization") is None
        await told.tell("member.created", time.time() + 1, role="viewer", **ids)
        assert (await client.get("/me", headers=headers)).json()["role"] == "viewer"


# --- Routed -------------------------------------------------------------------------------------


async def test_a_token_reaches_its_own_database_only(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    made = [await a_tenant(client, token) for _ in range(3)]
    for tenant_id, _, headers in made:
        assert (await client.post("/contacts", headers=headers, json=contact())).status_code == 201
        with product.home(tenant_id) as home:
            assert scalar(home, "select array_agg(org_id) from contacts") == [tenant_id]
    with product.admin() as control:
        assert scalar(control, "select to_regclass('public.contacts')") is None


async def test_a_key_reaches_its_own_database_only(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    keys = {}
    for tenant_id, _, headers in [await a_tenant(client, token) for _ in range(2)]:
        new = {"name": "robot", "scopes": ["contacts:read", "contacts:write"]}
        made = await client.post("/api-keys", headers=headers, json=new)
        assert made.status_code == 201, made.text
        keys[tenant_id] = {"Authorization": f"Bearer {made.json()['key']}"}
    for tenant_id, headers in keys.items():
        assert (await client.post("/contacts", headers=headers, json=contact())).status_code == 201
        with product.home(tenant_id) as home:
            assert scalar(home, "select array_agg(org_id) from contacts") == [tenant_id]
            assert scalar(home, "select array_agg(tenant_id) from app.api_keys") == [tenant_id]
    with product.admin() as control:
        assert scalar(control, "select count(*) from app.api_keys") == 0


async def test_nobody_is_shut_out_where_their_tenant_moves_away_from(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    """It would not come along: the key, the member and the tenant would be good again."""
    tenant_id, name, headers = await a_tenant(client, token)
    new = {"name": "robot", "scopes": ["contacts:read"]}
    made = (await client.post("/api-keys", headers=headers, json=new)).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    revoke = ("api-keys", "revoke", str(tenant_id), made["id"])
    with product.home(tenant_id) as home:
        home.execute("update app.here set state = 'moving'")
        assert (await client.get("/contacts", headers=key)).status_code == 200
        for words in (
            revoke,
            ("members", "remove", name, provider.subject(name)),
            ("tenants", "suspend", str(tenant_id)),
        ):
            process = product.types(*words)
            told, _ = process.communicate(timeout=SECONDS)
            assert process.returncode != 0, told
            assert "this database is being moved. Run the command again" in told
            assert "Traceback" not in told
        home.execute("update app.here set state = 'open'")
    assert (await client.get("/contacts", headers=headers)).status_code == 200
    product.succeeds(*revoke)
    assert (await client.get("/contacts", headers=key)).status_code == 401


async def test_one_pool_serves_tenants_in_turn_and_mixes_none_up(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    made = {name: tenant_id for tenant_id, name, _ in [await a_tenant(client, token) for _ in "ab"]}
    pools = product.pools(TENANT_POOLS="1", TENANT_POOL_SIZE="1")

    async def ask(name: str) -> None:
        claims = tenants.claims(name, provider.subject(name))
        async with transaction(pools, claims, "tests") as (session, standing):
            assert standing.tenant_id == made[name]
            database = await session.scalar(text("select current_database()"))
            assert database == product.at(made[name])[1]

    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(ask(name) for name in list(made) * 10))
    finally:
        await pools.dispose()


async def test_another_tenants_database_refuses_the_token(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    (_, mine, _), (other_id, _, _) = [await a_tenant(client, token) for _ in range(2)]
    pools = product.pools()
    try:
        # Whatever would lead there: a wrong entry in a cache, or in the registry.
        place = Place(other_id, *product.at(other_id))
        for subject in (provider.subject(mine), provider.subject(uuid4().hex)):
            claims = tenants.claims(mine, subject)
            async with pools.connections(place) as wrong, wrong.connect() as session:
                enter = text("select * from app.enter_database(:claims, 'tests')")
                with pytest.raises(ProgrammingError, match="belongs to another tenant"):
                    await session.execute(enter, {"claims": json.dumps(claims)})
                await session.execute(
                    text("select set_config('request.jwt.claims', :claims, false)"),
                    {"claims": json.dumps(claims)},
                )
                with pytest.raises(ProgrammingError, match="belongs to another tenant"):
                    await session.execute(text("select app.sign_in()"))
                await session.invalidate()
        with product.home(other_id) as home:
            assert scalar(home, "select array_agg(id) from organizations") == [other_id]
    finally:
        await pools.dispose()


async def test_connections_stay_bounded_with_more_tenants_than_pools(
    product: Product, client: httpx.AsyncClient, token: MintToken, control: Connection
) -> None:
    names = [name for _, name, _ in [await a_tenant(client, token) for _ in range(7)]]
    name = f"tests-{secrets.token_hex(4)}"
    # A pooler would keep connections of its own.
    direct = product.platform.direct("app_api", control.info.dbname)
    limits = {"TENANT_POOLS": "3", "TENANT_POOL_SIZE": "2", "DATABASE_POOL_TIMEOUT": "60"}
    pools = product.pools(name, DATABASE_URL=direct, **limits)
    count = "select count(*) from pg_stat_activity where application_name = %s and datname <> %s"
    seen = []

    async def ask(tenant: str) -> None:
        async with transaction(pools, tenants.claims(tenant), "tests") as (session, _):
            await session.execute(text("select pg_sleep(0.01)"))
        seen.append(scalar(control, count, name, control.info.dbname))

    try:
        await asyncio.gather(*(ask(tenant) for tenant in names * 12))
        assert max(seen) <= 3 * 2
        assert pools.connected == 3
        async with pools.connect(), transaction(pools, tenants.claims(names[0]), "tests"):
            await pools.close_idle(0.0)
            assert pools.connected == 1, "what is in use stays"
    finally:
        await pools.dispose()
    gone = lambda: scalar(control, count, name, control.info.dbname) == 0  # noqa: E731
    assert wait_until(gone, SECONDS)


async def test_connections_that_broke_in_the_pool_are_replaced(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    """As they do when a server was restarted."""
    tenant_id, _, headers = await a_tenant(client, token)
    await asyncio.gather(*(client.get("/contacts", headers=headers) for _ in range(8)))
    with product.admin() as control:
        query = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app_api'"
        assert control.execute(query).fetchall()
    # Of those that are known the process asks nothing: of new ones it does, and of their jobs.
    await asyncio.gather(*(a_tenant(client, token) for _ in range(4)))
    with product.admin() as control:
        assert control.execute(query).fetchall()
    file = ("c.csv", "name,email,company,amount\nA,a@example.org,,1\n", "text/csv")
    started = await client.post("/imports", headers=headers, files={"file": file})
    assert started.status_code == 202, started.text
    with product.home(tenant_id) as home:
        assert scalar(home, "select count(*) from app.outbox") == 1


async def test_who_finds_every_pool_in_use_is_told_so(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    names = [name for _, name, _ in [await a_tenant(client, token) for _ in range(2)]]
    pools = product.pools(TENANT_POOLS="1", DATABASE_POOL_TIMEOUT="0.2")
    try:
        async with transaction(pools, tenants.claims(names[0]), "tests"):
            with pytest.raises(PoolTimeoutError, match="TENANT_POOLS"):
                async with transaction(pools, tenants.claims(names[1]), "tests"):
                    pass
    finally:
        await pools.dispose()


# --- Jobs ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("jobs_done")
async def test_a_job_is_found_however_late_its_transaction_ends(
    product: Product,
    client: httpx.AsyncClient,
    token: MintToken,
    control: Connection,
) -> None:
    tenant_id, name, _ = await a_tenant(client, token)
    pools = product.pools()
    mark = "select {} from app.marks where id = %s"
    try:
        async with transaction(pools, tenants.claims(name), "tests") as (session, _):
            job_id = await jobs.enqueue(session, keep_house, KeepHouse())
            for _ in range(3):
                # Somebody looks, finds no job, says so, and must not forget the tenant.
                unsaid = "update app.marks set look_at = now(), dead = -1 where id = %s"
                control.execute(unsaid, [tenant_id])
                async with asyncio.timeout(SECONDS):
                    while scalar(control, mark.format("dead"), tenant_id) < 0:
                        await asyncio.sleep(0.02)
                assert scalar(control, mark.format("look_at"), tenant_id) is not None
    finally:
        await pools.dispose()
    with product.home(tenant_id) as home:
        async with asyncio.timeout(SECONDS):
            while scalar(home, "select exists (select from app.outbox where id = %s)", job_id):
                await asyncio.sleep(0.05)
    async with asyncio.timeout(SECONDS):
        while scalar(control, mark.format("look_at"), tenant_id) is not None:
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("jobs_done")
async def test_every_database_is_kept_in_order(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    made = [await a_tenant(client, token) for _ in range(2)]
    for tenant_id, _, headers in made:
        assert (await client.post("/realtime/tickets", headers=headers)).status_code == 201
        with product.home(tenant_id) as home:
            home.execute("update app.realtime_tickets set expires_at = now() - interval '1 day'")
    pools = product.pools()
    try:
        async with transaction(pools, tenants.claims(made[0][1]), "tests") as (session, _):
            await jobs.enqueue(session, keep_house, KeepHouse())
    finally:
        await pools.dispose()
    for tenant_id, _, _ in made:
        with product.home(tenant_id) as home:
            async with asyncio.timeout(SECONDS):
                while scalar(home, "select exists (select from app.realtime_tickets)"):
                    await asyncio.sleep(0.05)


# --- Moved --------------------------------------------------------------------------------------


class Load:
    """Somebody who works while their database is moved."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.added: set[str] = set()
        self.refused = 0
        self.reads = 0
        self.stop = asyncio.Event()

    async def write(self) -> None:
        while not self.stop.is_set():
            new = contact()
            answer = await self.client.post("/contacts", headers=self.headers, json=new)
            if answer.status_code == 201:
                self.added.add(new["email"])
            else:
                assert answer.status_code == 503, answer.text
                assert "Retry-After" in answer.headers
                self.refused += 1
                await asyncio.sleep(0.01)

    async def read(self) -> None:
        while not self.stop.is_set():
            answer = await self.client.get("/contacts?limit=5", headers=self.headers)
            assert answer.status_code == 200, answer.text
            self.reads += 1
            await asyncio.sleep(0.01)

    async def until(self, process: subprocess.Popen[str]) -> str:
        """Work until the process ends, and a little longer."""
        tasks = [asyncio.create_task(work) for work in (self.write(), self.write(), self.read())]
        told, _ = await asyncio.to_thread(process.communicate, None, SECONDS)
        done = len(self.added)
        try:
            async with asyncio.timeout(SECONDS):
                while len(self.added) < done + 5 and not any(task.done() for task in tasks):
                    await asyncio.sleep(0.02)
        finally:
            self.stop.set()
            await asyncio.gather(*tasks)
        return told


@pytest.mark.usefixtures("jobs_done")
async def test_a_move_under_load_loses_and_doubles_nothing(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    tenant_id, _, headers = await a_tenant(client, token)
    lines = "".join(f"P{n},{uuid4().hex}@example.org,,{n}\n" for n in range(5000))
    file = ("c.csv", f"name,email,company,amount\n{lines}", "text/csv")
    started = await client.post("/imports", headers=headers, files={"file": file})
    assert started.status_code == 202
    was = product.at(tenant_id)
    load = Load(client, headers)
    process = product.types("tenants", "move", str(tenant_id), "--to", SECOND)
    told = await load.until(process)
    assert process.returncode == 0, told
    assert "rows copied and compared" in told
    assert product.at(tenant_id)[0] == SECOND
    assert load.reads
    async with asyncio.timeout(SECONDS):
        while True:
            state = (await client.get(f"/imports/{started.json()['id']}", headers=headers)).json()
            if state["status"] in {"succeeded", "failed"}:
                break
            await asyncio.sleep(0.1)
    assert (state["status"], state["rows_done"]) == ("succeeded", 5000), state
    with product.home(tenant_id) as home:
        found = {email for (email,) in home.execute("select email from contacts")}
        assert load.added <= found
        assert len(found) == len(load.added) + 5000
        records = (
            "select count(*), count(distinct row_id) from audit.events"
            " where table_name = 'contacts' and action = 'insert'"
        )
        assert home.execute(records).fetchall() == [(len(found), len(found))]
        moved = "select new ->> 'to' from audit.events where action = 'tenant.moved'"
        assert scalar(home, moved) == SECOND
    with product.admin(was[1]) as old:
        assert scalar(old, "select state from app.here") == "moved"
        assert scalar(old, "select count(*) from contacts") < len(found)
    assert "is on second already" in product.succeeds(
        "tenants", "move", str(tenant_id), "--to", SECOND
    )
    assert "copied" in product.succeeds("tenants", "move", str(tenant_id), "--to", "default")
    assert (await client.get("/contacts", headers=headers)).status_code == 200
    assert (await client.post("/contacts", headers=headers, json=contact())).status_code == 201


@pytest.mark.parametrize("goes_on", ["again", "abort"])
async def test_a_killed_move_can_be_repeated_or_undone(
    product: Product, client: httpx.AsyncClient, token: MintToken, goes_on: str
) -> None:
    tenant_id, _, headers = await a_tenant(client, token)
    assert (await client.post("/contacts", headers=headers, json=contact())).status_code == 201
    _, database = product.at(tenant_id)
    # It waits for whoever is in the middle of something, so it can be met there.
    with product.home(tenant_id) as home, home.transaction():
        home.execute("select from contacts")
        process = product.types("tenants", "move", str(tenant_id), "--to", SECOND)
        with product.home(tenant_id) as other:
            state = "select state from app.here"
            assert wait_until(lambda: scalar(other, state) == "moving", SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    refused = await client.post("/contacts", headers=headers, json=contact())
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:problem:unavailable")
    assert len((await client.get("/contacts", headers=headers)).json()["items"]) == 1

    again = ("--abort",) if goes_on == "abort" else ()
    product.succeeds("tenants", "move", str(tenant_id), "--to", SECOND, *again)
    assert product.at(tenant_id)[0] == ("default" if again else SECOND)
    added = await client.post("/contacts", headers=headers, json=contact())
    assert added.status_code == 201, added.text
    assert len((await client.get("/contacts", headers=headers)).json()["items"]) == 2
    with psycopg.connect(product.second.url("postgres"), autocommit=True) as second:
        there = "select exists (select from pg_database where datname = %s)"
        assert scalar(second, there, database) is not bool(again)


# As `app doctor` has it: in Postgres 16 who makes a role stays a member who cannot act as it.
BORROWED = """
    select exists (
        select from pg_auth_members m
        where m.member = 'migrator'::regrole
          and m.roleid in ('app_definer'::regrole, 'app_audit'::regrole)
          and coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
    )
"""


def hold(database: Connection, table: str) -> None:
    """Let nobody write to a table until the connection rolls back."""
    database.execute("begin")
    database.execute(f"lock table {table} in exclusive mode".encode())


def waiting(database: Connection, statement: str) -> list[int]:
    """The processes in which such a statement waits for somebody else."""
    query = "select pid from pg_stat_activity where wait_event_type = 'Lock' and query ~ %s"
    return [pid for (pid,) in database.execute(query, [statement])]


@pytest.mark.parametrize("goes_on", ["again", "abort"])
@pytest.mark.parametrize("stage", ["registering", "closing the old one", "opening the new one"])
async def test_a_move_killed_after_the_copy_can_be_repeated_or_undone(
    product: Product, client: httpx.AsyncClient, token: MintToken, stage: str, goes_on: str
) -> None:
    tenant_id, _, headers = await a_tenant(client, token)
    assert (await client.post("/contacts", headers=headers, json=contact())).status_code == 201
    _, database = product.at(tenant_id)
    is_registered = stage != "registering"
    with ExitStack() as stack:
        registry = stack.enter_context(product.admin())
        hold(registry, "tenant_databases")
        process = product.types("tenants", "move", str(tenant_id), "--to", SECOND)
        blocked, statement = stack.enter_context(product.admin()), "move_place"
        assert wait_until(lambda: bool(waiting(blocked, statement)), SECONDS)
        if is_registered:
            server = "default" if stage == "closing the old one" else SECOND
            blocked, statement = stack.enter_context(product.admin(database, server)), "set_here"
            home = stack.enter_context(product.admin(database, server))
            hold(home, "app.here")
            registry.execute("rollback")
            assert wait_until(lambda: bool(waiting(blocked, statement)), SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        # Else the server goes on with the statement that it has.
        for pid in waiting(blocked, statement):
            blocked.execute("select pg_terminate_backend(%s)", [pid])
        assert wait_until(lambda: not waiting(blocked, statement), SECONDS)
    assert product.at(tenant_id)[0] == (SECOND if is_registered else "default")
    assert len((await client.get("/contacts", headers=headers)).json()["items"]) == 1
    refused = await client.post("/contacts", headers=headers, json=contact())
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:problem:unavailable")

    goal = SECOND
    command = ["tenants", "move", str(tenant_id), "--to", SECOND]
    if goes_on == "abort" and is_registered:
        refusal = product.types(*command, "--abort")
        told, _ = refusal.communicate(timeout=SECONDS)
        assert refusal.returncode != 0
        assert "is on second already" in told
    elif goes_on == "abort":
        command, goal = [*command, "--abort"], "default"
    product.succeeds(*command)
    assert product.at(tenant_id)[0] == goal
    for server in ("default", SECOND):
        with product.admin("postgres", server) as admin:
            assert not scalar(admin, BORROWED), f"roles are still borrowed on {server}"
    added = await client.post("/contacts", headers=headers, json=contact())
    assert added.status_code == 201, added.text
    assert len((await client.get("/contacts", headers=headers)).json()["items"]) == 2


# --- Operated on --------------------------------------------------------------------------------


async def test_an_operators_commands_act_where_the_rows_are(
    product: Product, client: httpx.AsyncClient, token: MintToken, tmp_path: Path
) -> None:
    tenant_id, name, headers = await a_tenant(client, token)
    assert (await client.post("/contacts", headers=headers, json=contact())).status_code == 201
    shown = json.loads(product.succeeds("tenants", "show", str(tenant_id)))
    assert shown["rows"]["contacts"] == 1
    product.succeeds("tenants", "suspend", str(tenant_id))
    refused = await client.get("/contacts", headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:problem:tenant-suspended")
    product.succeeds("tenants", "resume", str(tenant_id))
    assert (await client.get("/contacts", headers=headers)).status_code == 200
    archive = tmp_path / "archive.zip"
    told = product.succeeds("tenants", "export", str(tenant_id), "--output", str(archive))
    assert "rows and 0 files" in told
    assert "owner" in product.succeeds("members", "list", name)
    product.succeeds("members", "remove", name, provider.subject(name))
    assert (await client.get("/contacts", headers=headers)).status_code == 403
    product.succeeds("members", "restore", name, provider.subject(name))
    product.succeeds("tenants", "delete", str(tenant_id), "--yes", str(tenant_id))
    with product.home(tenant_id) as home:
        assert scalar(home, "select count(*) from contacts") == 0
        assert (
            scalar(home, "select count(*) from audit.events where action = 'tenant.deleted'") == 1
        )
        assert scalar(home, "select state from tenants") == "deleted"
    with product.admin() as control:
        assert scalar(control, "select state from tenants where id = %s", tenant_id) == "deleted"
    gone = await client.get("/contacts", headers=headers)
    assert (gone.status_code, gone.json()["type"]) == (403, "urn:problem:tenant-deleted")


async def test_the_doctor_looks_at_every_database(
    product: Product, client: httpx.AsyncClient, token: MintToken
) -> None:
    tenant_id, _, _ = await a_tenant(client, token)
    _, database = product.at(tenant_id)
    with product.home(tenant_id) as home:
        home.execute("alter table contacts no force row level security")
        process = product.types("doctor")
        told, _ = process.communicate(timeout=SECONDS)
        home.execute("alter table contacts force row level security")
    assert process.returncode == 1, told
    assert database in told
    assert "force-row-security: public.contacts" in told
    told = product.succeeds("doctor")
    assert product.connections.migrator.rpartition("/")[2] in told


def test_a_second_tenant_is_refused_by_the_database_itself(
    product: Product, control: Connection
) -> None:
    (tenant_id,) = organizations(control, 1)
    product.succeeds("migrate")
    with product.home(tenant_id) as home, pytest.raises(errors.InsufficientPrivilege):
        home.execute(
            sql.SQL("insert into organizations (external_id, slug, name) values ('x', 'x', 'x')")
        )
