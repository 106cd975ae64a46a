"""The audit trail: whoever writes, by whatever path, leaves a record; and no record can be altered.

The paths are real logins of a real database, the writes are SQL: nothing of the application is in
between that could have remembered the trail.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.rows import dict_row

from app.choices import tenancy
from app.dev.servers import Connections
from tests.choices import tenants
from tests.pooler import log_in

Connection = psycopg.Connection[Any]
Record = dict[str, Any]

MINE = tenancy.TENANT_COLUMN
REFUSED = (errors.InsufficientPrivilege, errors.WrongObjectType)


WORKER = uuid4()


@dataclass(frozen=True)
class Owner:
    """A tenant, and a job of theirs that a worker may run."""

    tenant: tenants.Tenant
    job_id: UUID

    @property
    def id(self) -> UUID:
        return self.tenant.id

    @property
    def user_id(self) -> UUID:
        return self.tenant.user_id

    @property
    def subject(self) -> str:
        return self.tenant.subject

    @property
    def claims(self) -> str:
        return self.tenant.claims()

    @property
    def job_claims(self) -> str:
        return json.dumps({"job_id": str(self.job_id), "worker_id": str(WORKER)})


@pytest.fixture
def tenant(admin: Connection) -> Owner:
    made = tenants.make(admin, uuid4().hex[:12])
    job = _scalar(
        admin,
        "insert into app.outbox (tenant_id, user_id, task, payload, worker_id, started_at)"
        " values (%s, %s, 'none', '{}', %s, now()) returning id",
        made.id,
        made.user_id,
        WORKER,
    )
    return Owner(made, job)


def _scalar(connection: Connection, query: str, *parameters: object) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


@dataclass(frozen=True)
class Path:
    """A way to the database: who logs in, and what the records must say about them."""

    name: str
    login: str
    claims: str | None = None

    def open(self, url: str, tenant: Owner, request_id: str) -> Connection:
        """Begin a transaction on this path."""
        connection = log_in(url)
        home = tenants.schema_of(tenant.id)
        connection.execute(f"set local search_path = {home}, public".encode())
        if self.claims is not None:
            claims = getattr(tenant, self.claims)
            connection.execute(f"select {tenancy.ENTER}(%s, %s)", [claims, request_id])
        return connection


PATHS = (
    Path("the API", "app_api", "claims"),
    Path("a worker", "app_worker", "job_claims"),
    Path("a superuser by hand", "postgres"),
    Path("a superuser with claims", "postgres", "claims"),
)


@pytest.fixture(params=PATHS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


@pytest.fixture
def urls(database: Connections) -> dict[str, str]:
    assert database.admin is not None
    return {
        "postgres": database.admin,
        "app_api": database.app_api,
        "app_worker": database.app_worker,
        "migrator": database.migrator,
    }


def records(admin: Connection, tenant: Owner, request_id: str | None) -> list[Record]:
    """What the trail holds about the tenant's contacts, oldest first."""
    with admin.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select * from audit.events where tenant_id = %s and table_name = 'contacts'"
            " and request_id is not distinct from %s order by id",
            [tenant.id, request_id],
        ).fetchall()


def check_origin(record: Record, path: Path, tenant: Owner, login: str) -> None:
    """The record says who, for whom, through which login."""
    assert record["tenant_id"] == tenant.id
    assert record["login"] == login
    assert record["actor_id"] == (tenant.user_id if path.claims else None)
    assert record["actor"] == (tenant.subject if path.claims else None)
    assert abs(record["occurred_at"] - datetime.now(UTC)) < timedelta(minutes=5)


def test_insert_update_and_delete_leave_old_and_new(
    admin: Connection, urls: dict[str, str], path: Path, tenant: Owner
) -> None:
    request_id = uuid4().hex
    with path.open(urls[path.login], tenant, request_id) as connection:
        login = connection.info.user
        contact = _scalar(
            connection,
            f"insert into contacts ({MINE}, name, email) values (%s, 'Ada', 'ada@example.com')"
            " returning id",
            tenant.id,
        )
        connection.execute("update contacts set name = 'Eve' where id = %s", [contact])
        connection.execute("delete from contacts where id = %s", [contact])
    found = records(admin, tenant, request_id if path.claims else None)
    assert [record["action"] for record in found] == ["insert", "update", "delete"]
    for record in found:
        check_origin(record, path, tenant, login)
        assert record["row_id"] == contact
        assert record["request_id"] == (request_id if path.claims else None)
    inserted, updated, deleted = found
    assert inserted["old"] is None
    assert inserted["new"]["name"] == "Ada"
    assert (updated["old"]["name"], updated["new"]["name"]) == ("Ada", "Eve")
    assert deleted["old"]["name"] == "Eve"
    assert deleted["new"] is None
    assert deleted["old"]["email"] == "ada@example.com"


def test_the_trail_tells_changes_in_the_order_in_which_they_were_made(
    admin: Connection, urls: dict[str, str], path: Path, tenant: Owner
) -> None:
    """Most of these happen within the same millisecond as the one before."""
    request_id = uuid4().hex
    names = [f"n{number}" for number in range(200)]
    with path.open(urls[path.login], tenant, request_id) as connection:
        connection.execute(
            f"insert into contacts ({MINE}, name, email) values (%s, 'Ada', 'ada@example.com')",
            [tenant.id],
        )
        for name in names:
            connection.execute(
                f"update contacts set name = %s where {MINE} = %s", [name, tenant.id]
            )
    found = records(admin, tenant, request_id if path.claims else None)
    assert [record["new"]["name"] for record in found] == ["Ada", *names]


def test_a_bulk_insert_leaves_a_record_for_each_row(
    admin: Connection, urls: dict[str, str], path: Path, tenant: Owner
) -> None:
    request_id = uuid4().hex
    with path.open(urls[path.login], tenant, request_id) as connection:
        connection.execute(
            f"insert into contacts ({MINE}, name, email)"
            " select %s, 'n' || i, i || '@example.com' from generate_series(1, 300) i",
            [tenant.id],
        )
        connection.execute(
            f"update contacts set company = 'c' || name where {MINE} = %s", [tenant.id]
        )
    found = records(admin, tenant, request_id if path.claims else None)
    updates = [record for record in found if record["action"] == "update"]
    assert len(found) == 600
    assert len(updates) == 300
    assert {record["new"]["company"] for record in updates} == {f"cn{i}" for i in range(1, 301)}
    assert all(record["old"]["id"] == record["new"]["id"] for record in updates)


def test_an_upsert_is_recorded_as_what_it_did(
    admin: Connection, urls: dict[str, str], path: Path, tenant: Owner
) -> None:
    request_id = uuid4().hex
    upsert = (
        f"insert into contacts ({MINE}, name, email) values (%s, %s, 'ada@example.com')"
        f" on conflict ({MINE}, email) do update set name = excluded.name"
    )
    with path.open(urls[path.login], tenant, request_id) as connection:
        connection.execute(upsert, [tenant.id, "Ada"])
        connection.execute(upsert, [tenant.id, "Eve"])
    found = records(admin, tenant, request_id if path.claims else None)
    assert [(record["action"], record["new"]["name"]) for record in found] == [
        ("insert", "Ada"),
        ("update", "Eve"),
    ]
    assert found[1]["old"]["name"] == "Ada"


def test_merge_is_recorded_as_what_it_did(
    admin: Connection, urls: dict[str, str], path: Path, tenant: Owner
) -> None:
    request_id = uuid4().hex
    with path.open(urls[path.login], tenant, request_id) as connection:
        for name in ("Ada", "Eve"):
            connection.execute(
                f"merge into contacts c using (values (%s::uuid, %s)) v ({MINE}, name)"
                f" on c.{MINE} = v.{MINE} and c.email = 'ada@example.com'"
                " when matched then update set name = v.name"
                f" when not matched then insert ({MINE}, name, email)"
                f" values (v.{MINE}, v.name, 'ada@example.com')",
                [tenant.id, name],
            )
    found = records(admin, tenant, request_id if path.claims else None)
    assert [record["action"] for record in found] == ["insert", "update"]


def test_an_update_that_changes_the_id_leaves_both_sides(
    admin: Connection, urls: dict[str, str], path: Path, tenant: Owner
) -> None:
    request_id, other = uuid4().hex, uuid4()
    with path.open(urls[path.login], tenant, request_id) as connection:
        contact = _scalar(
            connection,
            f"insert into contacts ({MINE}, name, email) values (%s, 'Ada', 'ada@example.com')"
            " returning id",
            tenant.id,
        )
        connection.execute("update contacts set id = %s where id = %s", [other, contact])
    updates = [
        record
        for record in records(admin, tenant, request_id if path.claims else None)
        if record["action"] == "update"
    ]
    assert {
        UUID(side["id"]) for record in updates for side in (record["old"], record["new"]) if side
    } == {
        contact,
        other,
    }


def test_a_write_that_is_rolled_back_leaves_nothing(
    admin: Connection, urls: dict[str, str], tenant: Owner
) -> None:
    request_id = uuid4().hex
    with PATHS[0].open(urls["app_api"], tenant, request_id) as connection:
        connection.execute("insert into contacts (name, email) values ('Ada', 'a@example.com')")
        connection.rollback()
    assert records(admin, tenant, request_id) == []


@pytest.mark.parametrize("column", ["tenant_id", "hash"])
def test_what_a_renamed_column_would_hide_or_disclose_is_not_written(
    admin: Connection, column: str
) -> None:
    """Records would belong to no tenant, or keep a secret for good."""
    with admin.transaction(force_rollback=True):
        admin.execute(f"alter table app.api_keys rename column {column} to renamed")
        with pytest.raises(errors.UndefinedColumn, match=r"triggers of app\.api_keys name"):
            admin.execute("delete from app.api_keys")


def test_truncate_of_an_audited_table_is_refused(admin: Connection) -> None:
    audited = admin.execute(
        "select c.oid::regclass::text from pg_class c"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
    ).fetchall()
    assert audited
    for (table,) in audited:
        with pytest.raises(errors.InsufficientPrivilege, match="use DELETE"):
            admin.execute(sql.SQL("truncate {} cascade").format(sql.SQL(table)))


@pytest.fixture
def trail(admin: Connection, tenant: Owner) -> list[str]:
    """The parent and every partition, with a record in this month's and one in the default."""
    admin.execute(
        "insert into audit.events (tenant_id, action, occurred_at) values (%s, 'test', now()),"
        " (%s, 'test', '2001-01-01')",
        [tenant.id, tenant.id],
    )
    tables = admin.execute(
        "select relid::text from pg_partition_tree('audit.events') order by level, 1"
    ).fetchall()
    assert len(tables) > 12
    return [table for (table,) in tables]


ATTACKS = {
    "update": "update {} set action = 'forged'",
    "delete": "delete from {}",
    "truncate": "truncate {}",
    "insert": "insert into {} (action, occurred_at) values ('forged', now())",
    "drop": "drop table {}",
    "disable trigger": "alter table {} disable trigger append_only",
    "detach": "alter table audit.events detach partition {}",
    "replace": "create or replace rule forged as on insert to {} do instead nothing",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("login", ["app_api", "app_worker", "migrator"])
def test_no_login_can_alter_a_record(
    urls: dict[str, str], tenant: Owner, trail: list[str], login: str, attack: str
) -> None:
    for table in trail:
        with log_in(urls[login]) as connection:
            if login != "migrator":
                claims = tenant.claims if login == "app_api" else tenant.job_claims
                connection.execute(f"select {tenancy.ENTER}(%s, 'r')", [claims])
            statement = sql.SQL(ATTACKS[attack]).format(sql.SQL(table))
            with pytest.raises(REFUSED):
                connection.execute(statement)
            connection.rollback()


@pytest.mark.parametrize("replication_role", ["origin", "replica"])
@pytest.mark.parametrize("attack", ["update", "delete", "truncate"])
def test_not_even_a_superuser_alters_a_record(
    admin: Connection, trail: list[str], attack: str, replication_role: str
) -> None:
    admin.execute(f"set session_replication_role = {replication_role}".encode())
    filled = {table for table in trail if _scalar(admin, f"select exists (select from {table})")}
    assert len(filled) >= 3
    for table in trail if attack == "truncate" else filled:
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            admin.execute(sql.SQL(ATTACKS[attack]).format(sql.SQL(table)))


def test_a_role_that_may_write_cannot_become_the_owner(urls: dict[str, str]) -> None:
    for login in ("app_api", "app_worker", "migrator"):
        for owner in ("app_audit", "app_definer"):
            with (
                log_in(urls[login]) as connection,
                pytest.raises(errors.InsufficientPrivilege),
            ):
                connection.execute(f"set role {owner}".encode())


def test_the_trail_shows_a_tenant_its_own_records_only(urls: dict[str, str], tenant: Owner) -> None:
    request_id = uuid4().hex
    with PATHS[0].open(urls["app_api"], tenant, request_id) as connection:
        connection.execute("insert into contacts (name, email) values ('Ada', 'a@example.com')")
        owners = connection.execute("select distinct tenant_id from audit.events").fetchall()
    assert owners == [(tenant.id,)]


def test_an_event_that_is_no_write_carries_the_same_context(
    admin: Connection, urls: dict[str, str], tenant: Owner
) -> None:
    request_id = uuid4().hex
    with PATHS[0].open(urls["app_api"], tenant, request_id) as connection:
        connection.execute("select audit.record_event('access.denied', '{\"path\": \"/x\"}')")
    with admin.cursor(row_factory=dict_row) as cursor:
        (record,) = cursor.execute(
            "select * from audit.events where request_id = %s", [request_id]
        ).fetchall()
    check_origin(record, PATHS[0], tenant, "app_api")
    assert record["action"] == "access.denied"
    assert record["new"] == {"path": "/x"}


def test_a_record_without_a_month_of_its_own_is_kept(admin: Connection) -> None:
    when = datetime(2002, 2, 2, tzinfo=UTC)
    where = _scalar(
        admin,
        "insert into audit.events (action, occurred_at) values ('test', %s)"
        " returning tableoid::regclass::text",
        when,
    )
    assert where == "audit.events_default"


def test_partitions_of_the_coming_months_are_made_once_and_protected(
    admin: Connection, urls: dict[str, str]
) -> None:
    with log_in(urls["app_worker"], autocommit=True) as worker:
        worker.execute("select audit.ensure_partitions()")
        assert _scalar(worker, "select audit.ensure_partitions()") == 0
        assert _scalar(worker, "select audit.ensure_partitions(14)") in {0, 2}
    unprotected = admin.execute(
        "select relid::text from pg_partition_tree('audit.events') p"
        " join pg_class c on c.oid = p.relid"
        " where c.relowner::regrole::text <> 'app_audit' or not c.relrowsecurity"
        " or not c.relforcerowsecurity or (select count(*) from pg_trigger t"
        "     where t.tgrelid = c.oid and t.tgenabled = 'A') <> 3"
    ).fetchall()
    assert unprotected == []
