"""Schemas of tenants: made on demand, migrated several at a time, found by their own role only."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg import errors, sql

from app.database import create_engine
from app.dev.processes import wait_until
from app.dev.servers import BACKEND, Connections
from app.revisions import head
from app.settings import Settings
from app.tenancy import schemas
from app.tenancy.schema_places import schema_of
from app.tenancy.session import transaction
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.pooler import log_in
from tests.running import Platform
from tests.tenants import organizations
from tests.test_isolation import changed

TENANTS = 40
SECONDS = 120.0


@pytest.fixture
def connections(platform: Platform, new_database: Callable[..., Connections]) -> Connections:
    """A database in which nobody makes schemas but `app migrate`."""
    made = new_database(migrated=False)
    platform.migrate(made)
    return made


@pytest.fixture
def admin(connections: Connections) -> Iterator[Connection]:
    assert connections.admin is not None
    with psycopg.connect(connections.admin, autocommit=True) as connection:
        yield connection


def newcomers(admin: Connection, count: int) -> list[UUID]:
    """Tenants that have no schema yet."""
    return [
        row[0]
        for row in admin.execute(
            "insert into organizations (external_id, slug, name)"
            " select %s || i, 's' || i, 'T' from generate_series(1, %s) i returning id",
            [uuid4().hex, count],
        )
    ]


def migration(platform: Platform, connections: Connections) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "migrate"],
        env=platform.environment(connections.for_operator()),
        cwd=BACKEND,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def at_head(admin: Connection) -> list[UUID]:
    return [
        row[0]
        for row in admin.execute(
            "select id from tenant_schemas where revision = %s and error is null order by id",
            [head("tenant")],
        )
    ]


def scalar(connection: Connection, query: sql.Composed | str, *values: object) -> Any:
    text = query.encode() if isinstance(query, str) else query
    (row,) = connection.execute(text, values).fetchall()
    return row[0]


def test_a_killed_migration_goes_on_where_it_was(
    platform: Platform, connections: Connections, admin: Connection
) -> None:
    made = newcomers(admin, TENANTS)
    first = migration(platform, connections)
    wait_until(lambda: first.poll() is not None or len(at_head(admin)) >= 5, SECONDS)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    before = at_head(admin)
    assert 5 <= len(before) < TENANTS, "the kill did not come in the middle"
    done_at = "select array_agg(changed_at order by id) from tenant_schemas where id = any(%s)"
    moments = scalar(admin, done_at, before)

    _, told = (second := migration(platform, connections)).communicate(timeout=SECONDS)
    assert second.returncode == 0, told
    assert f"{TENANTS - len(before)} of {TENANTS - len(before)} tenants migrated." in told
    assert at_head(admin) == sorted(made)
    assert scalar(admin, done_at, before) == moments, "what was done was done again"
    for tenant_id in made:
        version = sql.SQL("select array_agg(version_num::text) from {}.alembic_version")
        found = scalar(admin, version.format(sql.Identifier(schema_of(tenant_id))))
        assert found == [head("tenant")]

    third = migration(platform, connections)
    assert "tenants migrated" not in "".join(third.communicate(timeout=SECONDS))


def test_a_tenant_that_fails_stops_no_other_and_is_tried_again(
    platform: Platform, connections: Connections, admin: Connection
) -> None:
    made = newcomers(admin, 3)
    home = sql.Identifier(schema_of(made[1]))
    admin.execute(sql.SQL("create schema {}").format(home))
    admin.execute(sql.SQL("create table {}.contacts (id int)").format(home))
    admin.execute(sql.SQL("alter schema {} owner to {}").format(home, _owner(admin)))

    _, told = (first := migration(platform, connections)).communicate(timeout=SECONDS)
    assert first.returncode == 1
    assert str(made[1]) in told
    assert 'relation "contacts" already exists' in told
    assert "run `app migrate` again" in told
    assert at_head(admin) == sorted([made[0], made[2]])

    admin.execute(sql.SQL("drop table {}.contacts").format(home))
    _, told = (second := migration(platform, connections)).communicate(timeout=SECONDS)
    assert second.returncode == 0, told
    assert "1 of 1 tenants migrated." in told
    assert at_head(admin) == sorted(made)


def _owner(admin: Connection) -> sql.Identifier:
    query = "select pg_get_userbyid(relowner) from pg_class where oid = 'tenants'::regclass"
    return sql.Identifier(scalar(admin, query))


async def test_a_tenant_that_is_behind_is_asked_to_wait(
    api: httpx.AsyncClient, token: MintToken, as_admin: Connection
) -> None:
    names = [uuid4().hex for _ in range(2)]
    late, other = ({"Authorization": f"Bearer {token(user=name, org=name)}"} for name in names)
    for headers in (late, other):
        assert (await api.get("/api/v1/contacts", headers=headers)).status_code == 200
    behind = (await api.get("/readyz")).json()["tenants_behind"]
    as_admin.execute(
        f"update tenant_schemas set revision = 't0001' where id = {tenants.NAMED}",
        [tenants.external_id(names[0])],
    )
    refused = await api.get("/api/v1/contacts", headers=late)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:problem:tenant-not-ready")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await api.get("/api/v1/contacts", headers=other)).status_code == 200
    ready = await api.get("/readyz")
    assert (ready.status_code, ready.json()["tenants_behind"]) == (200, behind + 1)
    as_admin.execute(
        f"update tenant_schemas set revision = %s where id = {tenants.NAMED}",
        [head("tenant"), tenants.external_id(names[0])],
    )
    assert (await api.get("/api/v1/contacts", headers=late)).status_code == 200


async def test_a_token_with_another_role_is_written_down_and_served(
    api: httpx.AsyncClient, token: MintToken, as_admin: Connection
) -> None:
    tenant = tenants.make(as_admin, uuid4().hex[:12])
    as_admin.execute(
        "update memberships set role_as_of = now() - interval '1 hour' where org_id = %s",
        [tenant.id],
    )
    headers = {"Authorization": f"Bearer {token(user=tenant.name, org=tenant.name, role='viewer')}"}
    answer = await api.get("/api/v1/contacts", headers=headers)
    assert answer.status_code == 200, answer.text
    assert (await api.get("/api/v1/me", headers=headers)).json()["role"] == "viewer"


@pytest.mark.parametrize("login", ["app_api", "app_worker"])
def test_without_the_tenants_role_nothing_can_be_read(
    platform: Platform, admin_url: str, login: str
) -> None:
    with psycopg.connect(admin_url, autocommit=True) as admin:
        made = tenants.make(admin, uuid4().hex[:12])
    url = getattr(platform.connections, login)
    table = sql.SQL("select from {}.contacts").format(sql.Identifier(schema_of(made.id)))
    with log_in(url) as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(table)
        connection.rollback()
        # Whoever takes on the role without a proof finds the tables, and no row in them.
        connection.execute(f"set local role {schema_of(made.id)}".encode())
        assert connection.execute(table).rowcount == 0


def test_a_role_that_was_granted_a_moment_ago_is_taken_on(
    connections: Connections, admin: Connection
) -> None:
    """Even by a session that looked whose member it is while the role was being granted."""
    made = [organizations.make(admin, uuid4().hex[:12]) for _ in range(3 * TENANTS)]
    ready = threading.Event()

    def enter_each() -> None:
        with log_in(connections.app_api) as connection:
            for tenant in made:
                deadline = time.monotonic() + SECONDS
                obstacle: str | None = "new"
                while obstacle is not None:
                    assert time.monotonic() < deadline, "the session never learns of the role"
                    with connection.transaction():
                        obstacle = scalar(
                            connection,
                            "select obstacle from app.enter_schema(%s, 'x')",
                            tenant.claims(),
                        )
                    ready.set()

    with ThreadPoolExecutor(3) as sessions:
        entering = [sessions.submit(enter_each) for _ in range(3)]
        ready.wait(SECONDS)
        for tenant in made:
            role = sql.Identifier(schema_of(tenant.id))
            with admin.transaction():
                admin.execute(sql.SQL("create role {}").format(role))
                admin.execute(sql.SQL("grant app_tenant to {}").format(role))
                admin.execute(sql.SQL("grant {} to app_api").format(role))
            admin.execute(
                "insert into tenant_schemas (id, revision) values (%s, %s)",
                [tenant.id, head("tenant")],
            )
        for entered in entering:
            entered.result(SECONDS)


def test_a_session_that_takes_on_the_role_of_another_tenant_finds_no_row(
    connections: Connections, admin: Connection
) -> None:
    """What injected SQL can do."""
    mine, theirs = (tenants.make(admin, uuid4().hex[:12]) for _ in range(2))
    table = f"{schema_of(theirs.id)}.contacts"
    insert = f"insert into {table} (org_id, name, email) values (%s, 'A', 'a@b.c')".encode()
    admin.execute(insert, [theirs.id])
    with log_in(connections.app_api) as connection:
        connection.execute("select app.enter_schema(%s, 'x')", [mine.claims()])
        connection.execute(f"set local role {schema_of(theirs.id)}".encode())
        for statement in ("select from {}", "update {} set name = 'B'", "delete from {}"):
            assert connection.execute(statement.format(table).encode()).rowcount == 0
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(insert, [theirs.id])


def test_a_transaction_that_takes_on_no_role_reads_nothing(
    connections: Connections, admin: Connection
) -> None:
    """What the wall of grants is for: a fault in the beginning of a transaction shows no rows."""
    made = tenants.make(admin, uuid4().hex[:12])
    home = schema_of(made.id)
    admin.execute(
        f"insert into {home}.contacts (org_id, name, email) values (%s, 'A', 'a@b.c')".encode(),
        [made.id],
    )
    enter = f"select app.enter_schema('{made.claims()}', 'x')".encode()
    table = f"select from {home}.contacts".encode()
    with log_in(connections.app_api) as connection:
        connection.execute(enter)
        assert connection.execute(table).rowcount == 1
        connection.rollback()
        taking = "set_config('role', app.schema_of(tenant_id), true)"
        with changed(
            admin, "app.enter_schema(text, text)", taking, "set_config('role', 'none', true)"
        ):
            connection.execute(enter)
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(table)


async def test_a_connection_that_has_seen_many_schemas_is_ended(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "MOST_SCHEMAS", 2)
    values = platform.environment(platform.connections.for_api()) | {"DATABASE_POOL_SIZE": "1"}
    settings = Settings(_env_file=None, **{k.lower(): v for k, v in values.items()})  # type: ignore[arg-type]
    engine = create_engine(settings, application_name="tests")
    backends = []
    for _ in range(6):
        claims = tenants.claims(uuid4().hex)
        async with transaction(engine, claims, "tests") as (session, standing):
            assert standing.tenant_id is not None
            raw = await session.get_raw_connection()
            assert raw.driver_connection is not None
            backends.append(raw.driver_connection.info.backend_pid)
    await engine.dispose()
    assert len(set(backends)) == 2
    assert backends[:3] == [backends[0]] * 3
