"""Supabase's Data API, in the statements that it sends, and its own way to run migrations."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors

from app.choices import tenancy
from app.dev.servers import Connections
from app.doctor import examine
from app.hosts.emission import emit
from tests.choices import tenants
from tests.running import Platform
from tests.test_host import app

Connection = psycopg.Connection[Any]

API_ROLES = ("anon", "authenticated", "service_role")

in_shared_tables = pytest.mark.skipif(
    tenancy.HOMES != "^public$", reason="the Data API does not look where tenants' tables are"
)


@pytest.fixture
def owner(database: Connections) -> Iterator[Connection]:
    with psycopg.connect(database.migrator, autocommit=True) as connection:
        yield connection


@contextmanager
def data_api(admin: Connection, claims: str, role: str = "authenticated") -> Iterator[Connection]:
    """A transaction as PostgREST begins it: https://docs.postgrest.org/en/stable/references/transactions.html."""
    with admin.transaction(force_rollback=True):
        admin.execute("set session authorization authenticator")
        admin.execute(
            "select set_config('search_path', 'public, extensions', true),"
            " set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
            " set_config('request.method', 'GET', true)",
            [role, claims],
        )
        yield admin


def granted(admin: Connection) -> set[tuple[str, str, str]]:
    """What the Data API's roles hold on what is the product's."""
    rows = admin.execute(
        """
        select c.oid::regclass::text, role.rolname::text, e.privilege_type
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        cross join lateral aclexplode(c.relacl) e
        join pg_roles role on role.oid = e.grantee
        where n.nspname in ('public', 'app', 'audit', 'app_migrations')
          and role.rolname = any(%s)
        """,
        [list(API_ROLES)],
    ).fetchall()
    return {(table, role, privilege) for table, role, privilege in rows}


def contact_of(admin: Connection, tenant: UUID) -> UUID:
    """The id of a new contact of this tenant's."""
    identifier = uuid4()
    admin.execute(
        f"insert into public.contacts (id, {tenancy.TENANT_COLUMN}, name, email)"
        " values (%s, %s, 'N', %s)".encode(),
        [identifier, tenant, f"{identifier.hex}@example.com"],
    )
    return identifier


def test_the_data_api_is_granted_nothing(admin: Connection) -> None:
    assert granted(admin) == set()
    made = admin.execute("select count(*) from pg_class where relname = 'users'").fetchone()
    assert made is not None
    assert made[0] == 2, "auth.users and public.users"


@pytest.mark.parametrize("role", API_ROLES)
def test_every_table_is_shut(admin: Connection, role: str) -> None:
    tables = admin.execute(
        "select c.oid::regclass::text from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname in ('public', 'app', 'audit')"
    ).fetchall()
    assert len(tables) > 10
    for (table,) in tables:
        with data_api(admin, "{}", role), pytest.raises(errors.InsufficientPrivilege):
            admin.execute(f"select from {table}".encode())


@pytest.mark.parametrize("role", API_ROLES)
def test_a_new_table_is_shut_too(owner: Connection, role: str) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("create table public.another (id uuid primary key, seen bigserial)")
        owner.execute("create function public.helper() returns int language sql return 1")
        held = owner.execute(
            "select has_table_privilege(%(r)s, 'public.another', 'select, insert, truncate'),"
            " has_sequence_privilege(%(r)s, 'public.another_seen_seq', 'usage'),"
            " has_function_privilege(%(r)s, 'public.helper()', 'execute')",
            {"r": role},
        ).fetchone()
    assert held == (False, False, False)


def test_nothing_is_created_in_schemas_of_supabases(admin: Connection) -> None:
    made = admin.execute(
        "select d.objid, d.classid::regclass::text from pg_depend d"
        " join pg_namespace n on d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid"
        " join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid"
        " join pg_roles r on r.oid = c.relowner"
        " where n.nspname in ('auth', 'storage') and r.rolname !~ '^supabase_'"
    ).fetchall()
    assert made == []


def test_a_grant_by_hand_is_reported(admin: Connection) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("grant select on public.users to service_role")
        admin.execute("grant usage on schema audit to anon")
        admin.execute(
            "alter default privileges for role migrator in schema public"
            " grant select on tables to anon"
        )
        found = {
            finding.object
            for check in examine(admin)
            if check.check.name == "data-api"
            for finding in check.findings
        }
    assert found == {"public.users, service_role", "schema audit", "the role anon"}


@in_shared_tables
def test_a_member_reads_their_own_through_the_data_api(
    admin: Connection, owner: Connection
) -> None:
    mine, other = tenants.make(admin, uuid4().hex[:12]), tenants.make(admin, uuid4().hex[:12])
    contact, foreign = contact_of(admin, mine.id), contact_of(admin, other.id)
    owner.execute("select app.expose('public.contacts')")
    try:
        assert granted(admin) == {("contacts", "authenticated", "SELECT")}
        assert not [f for check in examine(admin) for f in check.findings if not f.is_warning]
        with data_api(admin, mine.claims()):
            seen = admin.execute("select id from contacts").fetchall()
            assert seen == [(contact,)]
            assert admin.execute("select from contacts where id = %s", [foreign]).rowcount == 0
        for claims in ("{}", "", json.dumps({"sub": "nobody", "role": "authenticated"})):
            with data_api(admin, claims):
                assert admin.execute("select from contacts").rowcount == 0
        for name, claims in mine.outsiders.items():
            with data_api(admin, claims):
                assert admin.execute("select from contacts").rowcount == 0, name
        for statement in ("delete from contacts", "update contacts set name = 'x'"):
            with data_api(admin, mine.claims()), pytest.raises(errors.InsufficientPrivilege):
                admin.execute(statement.encode())
        # The claims of a worker's job are not for whoever signs tokens.
        with data_api(admin, json.dumps({"job_id": str(uuid4()), "worker_id": str(uuid4())})):
            assert admin.execute("select from contacts").rowcount == 0
    finally:
        owner.execute("select app.hide('public.contacts')")
    assert granted(admin) == set()


@in_shared_tables
def test_what_is_written_through_the_data_api_is_bound_and_recorded(
    admin: Connection, owner: Connection
) -> None:
    mine, other = tenants.make(admin, uuid4().hex[:12]), tenants.make(admin, uuid4().hex[:12])
    foreign = contact_of(admin, other.id)
    column = tenancy.TENANT_COLUMN
    owner.execute(
        "select app.expose('public.contacts', array['select', 'insert', 'update', 'delete'])"
    )
    try:
        with data_api(admin, mine.claims()):
            assert admin.execute("delete from contacts where id = %s", [foreign]).rowcount == 0
            changed = admin.execute("update contacts set name = 'x' where id = %s", [foreign])
            assert changed.rowcount == 0
            made = admin.execute(
                f"insert into contacts (name, email) values ('N', 'n@example.com')"
                f" returning id, {column}".encode()
            ).fetchone()
            assert made is not None
            assert made[1] == mine.id
            admin.execute("reset role")
            admin.execute("reset session authorization")
            recorded = admin.execute(
                "select login, tenant_id from audit.events"
                " where table_name = 'contacts' and row_id = %s",
                [str(made[0])],
            ).fetchall()
            assert recorded == [("authenticator", mine.id)]
        with data_api(admin, mine.claims()), pytest.raises(errors.InsufficientPrivilege):
            admin.execute(
                f"insert into contacts (name, email, {column})"
                " values ('N', 'm@example.com', %s)".encode(),
                [other.id],
            )
    finally:
        owner.execute("select app.hide('public.contacts')")


def test_only_tables_of_tenants_can_be_opened(owner: Connection) -> None:
    with pytest.raises(errors.RaiseException):
        owner.execute("select app.expose('public.tenants')")


# --- Migrations as Supabase's own -----------------------------------------------------------------


def test_the_emitted_files_make_what_migrate_makes(
    platform: Platform, new_database: Callable[..., Connections], tmp_path: Path
) -> None:
    files = emit(tmp_path)
    assert [path.name for path in files] == sorted(path.name for path in files)
    assert emit(tmp_path) == [], "what is there is not written again"
    empty = new_database(migrated=False)
    assert empty.admin is not None
    for path in files:
        # As the CLI does: one file after the other, as the role that migrates.
        with psycopg.connect(empty.migrator, autocommit=True) as owner:
            owner.execute(path.read_bytes())

    migrated = new_database()
    assert migrated.admin is not None
    with psycopg.connect(empty.admin) as one, psycopg.connect(migrated.admin) as other:
        assert catalog(one) == catalog(other)
    # It finds nothing left to do, and serves.
    done = app(platform, empty, "migrate")
    assert done.returncode == 0, done.stderr
    with psycopg.connect(empty.migrator) as owner:
        assert not [f for check in examine(owner) for f in check.findings if not f.is_warning]


def test_a_later_file_comes_after_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "29991231235959_theirs.sql").write_text("select 1;\n")
    first = emit(tmp_path)[0]
    assert first.name.startswith("30000101000000_app_roles_")


def catalog(database: Connection) -> dict[str, set[tuple[Any, ...]]]:
    """What there is, by its name, in words that are the same in two databases."""
    ours = "n.nspname in ('public', 'app', 'audit', 'app_migrations', 'procrastinate')"
    queries = {
        "relations": f"""
            select c.oid::regclass::text, c.relkind, c.relowner::regrole::text,
                c.relrowsecurity, c.relforcerowsecurity, c.relacl::text
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where {ours} and not c.relispartition and c.relname !~ '_20[0-9]{{2}}_'""",
        "functions": f"""
            select p.oid::regprocedure::text, p.proowner::regrole::text, p.prosecdef,
                p.proacl::text, p.prosrc, p.proconfig::text
            from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where {ours} and p.proname <> 'uuid_v7'""",
        "policies": f"""
            select p.* from pg_policies p join pg_namespace n on n.nspname = p.schemaname
            where {ours}""",
        "triggers": f"""
            select t.tgrelid::regclass::text, t.tgname, pg_get_triggerdef(t.oid)
            from pg_trigger t join pg_class c on c.oid = t.tgrelid
            join pg_namespace n on n.oid = c.relnamespace
            where {ours} and not t.tgisinternal and not c.relispartition""",
        "answers": "select question, sha256 from app_migrations.answers",
        "versions": "select version_num from app_migrations.alembic_version",
    }
    return {
        name: {tuple(map(str, row)) for row in database.execute(query.encode())}
        for name, query in queries.items()
    }
