"""The doctor is healthy on a migrated database, and names each protection that is taken away.

Every mutation happens in a transaction that is rolled back, by a superuser, as a careless change
would. It must be found by exactly the checks named, at exactly the object named.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from app.choices import tenancy
from app.dev.processes import LOOPBACK, free_port
from app.dev.servers import Connections
from app.doctor import CHECKS, examine
from app.doctor.expressions import calls, calls_per_row, requires_equality
from tests.choices import layout, tenants
from tests.pooler import log_in
from tests.running import Platform

Connection = psycopg.Connection[Any]

MINE = tenancy.TENANT_COLUMN
FUNCTION = tenancy.TENANT_FUNCTION


@pytest.fixture(scope="module")
def patient(new_database: Callable[..., Connections]) -> Connections:
    """A database of these tests' own, with a tenant in it."""
    return new_database()


@pytest.fixture(scope="module")
def home(patient: Connections) -> str:
    """The schema of the tenant's tables."""
    assert patient.admin is not None
    with psycopg.connect(patient.admin, autocommit=True) as admin:
        return tenants.schema_of(tenants.make(admin, "patient").id)


@pytest.fixture
def database(patient: Connections) -> Iterator[Connection]:
    assert patient.admin is not None
    with psycopg.connect(patient.admin) as connection:
        yield connection
        connection.rollback()


def failures(database: Connection) -> set[tuple[str, str]]:
    return {
        (examination.check.name, finding.object)
        for examination in examine(database)
        for finding in examination.findings
        if not finding.is_warning
    }


@dataclass(frozen=True)
class Mutation:
    """A protection taken away, and who must notice: `check: object`."""

    name: str
    sql: str
    found: set[tuple[str, str]]


_TENANT_TABLES = re.compile(r"\bpublic\.(contacts|imports|import_rejections|notes|pairs)\b")


def at(home: str, text: str) -> str:
    """The text as it reads where tenants have tables, and roles, of their own."""
    if home == "public" or not _TENANT_TABLES.search(text):
        return text
    return _TENANT_TABLES.sub(rf"{home}.\1", text).replace("to app_api, app_worker", f"to {home}")


def expected(case: Mutation, home: str) -> set[tuple[str, str]]:
    """What the doctor must say where a tenant's tables are in this schema."""
    found = _expected(case, home)
    if case.name == "table granted to PUBLIC":
        contacts = at(home, "public.contacts")
        found |= {("policy-coverage", f"{contacts}, {role}") for role in layout.API_ROLES}
    return found


def _expected(case: Mutation, home: str) -> set[tuple[str, str]]:
    if case.name in tenants.FINDINGS:
        found = mutation(case.name, case.sql, *tenants.FINDINGS[case.name]).found
        return {(check, at(home, where)) for check, where in found}
    login = re.compile(r"^(tenant_\w+\.\w+), app_(?:api|worker)$")
    return {(check, login.sub(rf"\1, {home}", at(home, where))) for check, where in case.found}


def mutation(name: str, sql: str, *found: str) -> Mutation:
    pairs = (text.split(": ", 1) for text in found)
    return Mutation(name, sql, {(check, where) for check, where in pairs})


# A new table as somebody would write it who knows the rules; each case leaves one of them out.
NOTES = f"""
create table public.notes (
    id uuid not null default app.uuid_v7(),
    {MINE} uuid not null default app.default_tenant_id(),
    body text not null,
    primary key ({MINE}, id)
);
select app.isolate('public.notes');
"""
UNPROTECTED = """
set role app_audit;
create table audit.events_2031_01 partition of audit.events
    for values from ('2031-01-01 00:00:00+00') to ('2031-02-01 00:00:00+00');
reset role;
"""
DEFINER = """
create function app.careless() returns bigint language sql security definer {path}
    as $$ select count(*) from public.contacts $$;
alter function app.careless() owner to app_definer;
{revoke}
"""
REVOKE = "revoke execute on function app.careless() from public;"

MUTATIONS = (
    mutation(
        "row level security off",
        "alter table public.contacts disable row level security",
        "row-security: public.contacts",
    ),
    mutation(
        "row level security not forced",
        "alter table public.imports no force row level security",
        "force-row-security: public.imports",
    ),
    mutation(
        "machinery without row level security",
        "alter table app.outbox disable row level security",
        "row-security: app.outbox",
    ),
    *(
        mutation(
            f"no policy for {command}",
            f"drop policy tenant_{command} on public.contacts",
            "policy-coverage: public.contacts, app_api",
            "policy-coverage: public.contacts, app_worker",
        )
        for command in ("select", "insert", "update", "delete")
    ),
    mutation(
        "policy for one login only",
        "alter policy tenant_select on public.contacts to app_api",
        "policy-coverage: public.contacts, app_worker",
    ),
    mutation(
        "grant without a policy on a new table",
        NOTES + "drop policy tenant_select on public.notes; revoke select on public.notes "
        "from app_worker",
        "policy-coverage: public.notes, app_api",
    ),
    mutation(
        "grant of one column without a policy",
        "grant update (handed_at) on app.outbox to app_api",
        "policy-coverage: app.outbox, app_api",
    ),
    mutation(
        "grant to a new role without a policy",
        "create role analyst; grant select on public.contacts to analyst",
        "policy-coverage: public.contacts, analyst",
    ),
    mutation(
        "new table with a grant and nothing else",
        "create table public.bare (id uuid primary key); grant select on public.bare to app_api",
        "row-security: public.bare",
        "force-row-security: public.bare",
        "audit-triggers: public.bare",
    ),
    mutation(
        "new table in a new schema",
        "create schema billing; create table billing.bare (id uuid primary key); "
        "grant insert on billing.bare to app_worker",
        "row-security: billing.bare",
        "force-row-security: billing.bare",
        "audit-triggers: billing.bare",
    ),
    mutation(
        "policy for PUBLIC",
        "alter policy tenant_select on public.contacts to public",
        "policy-roles: public.contacts, policy tenant_select",
    ),
    mutation(
        "policy for all commands",
        "create policy everything on public.contacts for all to app_api "
        f"using ({MINE} = (select {FUNCTION}()))",
        "policy-clauses: public.contacts, policy everything",
    ),
    mutation(
        "update without WITH CHECK",
        "drop policy tenant_update on public.contacts; create policy tenant_update on "
        "public.contacts for update to app_api, app_worker "
        f"using ({MINE} = (select {FUNCTION}()))",
        "policy-clauses: public.contacts, policy tenant_update",
    ),
    mutation(
        "unwrapped function in USING",
        f"alter policy tenant_select on public.contacts using ({MINE} = {FUNCTION}())",
        "policy-initplan: public.contacts, policy tenant_select",
    ),
    mutation(
        "unwrapped function in WITH CHECK",
        f"alter policy tenant_insert on public.contacts with check ({MINE} = {FUNCTION}())",
        "policy-initplan: public.contacts, policy tenant_insert",
    ),
    mutation(
        "function of the row",
        "create function app.is_member(uuid) returns boolean language sql stable "
        f"return $1 = {FUNCTION}(); alter policy tenant_select on public.contacts using "
        f"({MINE} = (select {FUNCTION}()) and (select app.is_member(contacts.{MINE})))",
        "policy-initplan: public.contacts, policy tenant_select",
    ),
    mutation(
        "current_setting for every row",
        "alter policy tenant_select on public.contacts using "
        f"({MINE} = (select {FUNCTION}()) and current_setting('app.tenant_id') <> '')",
        "policy-initplan: public.contacts, policy tenant_select",
    ),
    mutation(
        "policy using (true)",
        "alter policy tenant_select on public.contacts using (true)",
        "policy-tenant: public.contacts, policy tenant_select",
    ),
    mutation(
        "policy that is always true beside the tenant",
        "alter policy tenant_select on public.contacts using "
        f"({MINE} = (select {FUNCTION}()) or name is not null)",
        "policy-tenant: public.contacts, policy tenant_select",
    ),
    mutation(
        "update that may move a row to another tenant",
        "alter policy tenant_update on public.contacts with check (true)",
        "policy-tenant: public.contacts, policy tenant_update",
    ),
    mutation(
        "second policy that lets more in",
        "create policy generous on public.contacts for select to app_api using (true)",
        "policy-tenant: public.contacts, policy generous",
    ),
    mutation(
        "machinery open to the API",
        "alter policy tenant_select on app.outbox using (true)",
        "policy-tenant: app.outbox, policy tenant_select",
    ),
    mutation(
        "everybody's users",
        f"alter policy {tenants.PEOPLE_POLICY} on public.users using (true)",
        f"policy-tenant: public.users, policy {tenants.PEOPLE_POLICY}",
    ),
    mutation(
        "audit records of all tenants",
        "alter policy read_by_admins on audit.events using (true)",
        "policy-tenant: audit.events, policy read_by_admins",
    ),
    mutation(
        "tenant column that may be null",
        "create table public.notes (id uuid not null default app.uuid_v7(), "
        f"{MINE} uuid default app.default_tenant_id(), unique ({MINE}, id)); "
        "select app.isolate('public.notes')",
        "tenant-column: public.notes",
        "tenant-keys: public.notes",
    ),
    mutation(
        "tenant column without its default",
        f"alter table public.contacts alter column {MINE} drop default",
        "tenant-column: public.contacts",
    ),
    mutation(
        "tenant column with another default",
        f"alter table public.contacts alter column {MINE} set default gen_random_uuid()",
        "tenant-column: public.contacts",
    ),
    mutation(
        "primary key without the tenant",
        NOTES + f"create index on public.notes ({MINE}); "
        "alter table public.notes drop constraint notes_pkey, add primary key (id)",
        "tenant-keys: public.notes, notes_pkey",
    ),
    mutation(
        "unique value across tenants",
        "create unique index contacts_email on public.contacts (email)",
        "tenant-keys: public.contacts, contacts_email",
    ),
    mutation(
        "foreign key across tenants",
        "alter table public.imports add constraint imports_id unique (id);"
        "alter table public.import_rejections add constraint loose "
        "foreign key (import_id) references public.imports (id)",
        "tenant-keys: public.imports, imports_id",
        "tenant-links: public.import_rejections, loose",
    ),
    mutation(
        "foreign key that crosses the tenant's columns",
        NOTES + "alter table public.notes add column other uuid, add constraint crossed "
        f"foreign key (other, id) references public.contacts ({MINE}, id)",
        "tenant-links: public.notes, crossed",
    ),
    mutation(
        "no index that begins with the tenant",
        NOTES + "alter table public.notes drop constraint notes_pkey, add primary key (id)",
        "tenant-keys: public.notes, notes_pkey",
        "tenant-index: public.notes",
    ),
    mutation(
        "TRUNCATE granted",
        "grant truncate on public.contacts to app_api",
        "grants: public.contacts, app_api",
    ),
    mutation(
        "TRIGGER granted",
        "grant trigger on public.contacts to app_worker",
        "grants: public.contacts, app_worker",
    ),
    mutation(
        "table granted to PUBLIC",
        "grant select on public.contacts to public",
        "grants: public.contacts",
    ),
    mutation(
        "materialized view granted",
        "create materialized view public.totals as select count(*) from public.contacts; "
        "grant select on public.totals to app_api",
        "grants: public.totals, app_api",
    ),
    mutation(
        "sequence granted",
        "create sequence public.numbers; grant select on public.numbers to app_api",
        "grants: public.numbers, app_api",
    ),
    mutation(
        "CREATE in schema public",
        "grant create on schema public to app_api",
        "grants: schema public, app_api",
    ),
    mutation(
        "a login with BYPASSRLS",
        "create role nosy login bypassrls",
        "logins: role nosy",
    ),
    mutation(
        "BYPASSRLS on the API's login",
        "alter role app_api bypassrls",
        "logins: role app_api",
    ),
    mutation("superuser worker", "alter role app_worker superuser", "logins: role app_worker"),
    mutation("CREATEROLE", "alter role app_worker createrole", "logins: role app_worker"),
    mutation("REPLICATION", "alter role app_api replication", "logins: role app_api"),
    mutation(
        "API in the role of the trail's owner, through another",
        "create role go_between; grant app_audit to go_between; grant go_between to app_api",
        "logins: role app_api",
        "logins: role go_between",
        "grants: schema audit, app_api",
    ),
    mutation(
        "API in the role of the trail's owner",
        "grant app_audit to app_api",
        "logins: role app_api",
        "grants: schema audit, app_api",
    ),
    mutation(
        "API in the role of a table's owner",
        NOTES + "create role keeper; alter table public.notes owner to keeper; "
        "grant keeper to app_api",
        "logins: role app_api",
    ),
    mutation(
        "helper that can log in",
        "alter role app_definer login",
        "logins: role app_definer",
    ),
    mutation(
        "somebody who can act as the trail's owner",
        "create role auditor login; grant app_audit to auditor",
        "logins: role auditor",
    ),
    mutation(
        "login that owns a table",
        NOTES + "alter table public.notes owner to app_worker",
        "ownership: role app_worker",
    ),
    mutation(
        "login that owns a function",
        "create function public.theirs() returns integer language sql return 1; "
        "alter function public.theirs() owner to app_api",
        "ownership: role app_api",
    ),
    mutation(
        "definer without search_path",
        DEFINER.format(path="", revoke=REVOKE),
        "definer-functions: app.careless()",
    ),
    mutation(
        "definer that anyone may call",
        DEFINER.format(path="set search_path = ''", revoke=""),
        "definer-functions: app.careless()",
    ),
    mutation(
        "definer that belongs to a superuser",
        DEFINER.format(path="set search_path = ''", revoke=REVOKE)
        + "alter function app.careless() owner to current_user",
        "definer-functions: app.careless()",
    ),
    mutation(
        "view without security_invoker",
        "create view public.names as select name from public.contacts; "
        "grant select on public.names to app_api",
        "views: public.names",
    ),
    mutation(
        "table without an audit trigger",
        NOTES + "drop trigger audit_insert on public.notes; drop trigger audit_update on "
        "public.notes; drop trigger audit_delete on public.notes; drop trigger audit_truncate on "
        "public.notes",
        "audit-triggers: public.notes",
    ),
    *(
        mutation(
            f"no audit trigger for {event}",
            f"drop trigger audit_{event} on public.contacts",
            "audit-triggers: public.contacts",
        )
        for event in ("insert", "update", "delete", "truncate")
    ),
    mutation(
        "disabled audit trigger",
        "alter table public.tenants disable trigger audit_update",
        "audit-triggers: public.tenants",
    ),
    mutation(
        "keys that are revoked unseen",
        "alter table app.api_keys disable trigger audit_update",
        "audit-triggers: app.api_keys",
    ),
    mutation(
        "records that hold the hashes of keys",
        "drop trigger audit_insert on app.api_keys; create trigger audit_insert after insert on "
        "app.api_keys referencing new table as new_rows for each statement "
        "execute function audit.record_changes('tenant_id')",
        "audit-triggers: app.api_keys",
    ),
    mutation(
        "records that hold people's addresses",
        "drop trigger audit_update on public.users; create trigger audit_update after update on "
        "public.users referencing old table as old_rows new table as new_rows for each statement "
        "execute function audit.record_changes('none', 'name', 'salt')",
        "audit-triggers: public.users",
    ),
    mutation(
        "secret under another name than the records leave out",
        "alter table app.api_keys rename column hash to digest",
        "audit-triggers: app.api_keys",
    ),
    mutation(
        "audit trigger that sees some columns only",
        "drop trigger audit_update on public.contacts; create trigger audit_update after update "
        "on public.contacts referencing old table as old_rows new table as new_rows "
        "for each statement when (current_user <> 'app_api') "
        f"execute function audit.record_changes('{MINE}')",
        "audit-triggers: public.contacts",
    ),
    mutation(
        "audit trigger that does not know the tenant",
        NOTES + "drop trigger audit_insert on public.notes; create trigger audit_insert after "
        "insert on public.notes referencing new table as new_rows for each statement "
        "execute function audit.record_changes('none')",
        "audit-triggers: public.notes",
    ),
    mutation(
        "table that cannot be audited",
        f"create table public.pairs ({MINE} uuid not null default app.default_tenant_id(), "
        f"word text, primary key ({MINE}, word)); select app.isolate('public.pairs')",
        "audit-triggers: public.pairs",
    ),
    mutation("new partition made by hand", UNPROTECTED, "audit-trail: audit.events_2031_01"),
    mutation(
        "partition into which others may write",
        "drop trigger append_only_statement on audit.events_default",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "partition without its TRUNCATE trigger",
        "drop trigger append_only_truncate on audit.events_default",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "partition whose triggers spare a replica",
        "alter table audit.events_default enable trigger append_only",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "partition with a disabled trigger",
        "alter table audit.events_default disable trigger append_only",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "partition without row level security",
        "alter table audit.events_default disable row level security",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "partition not forced",
        "alter table audit.events_default no force row level security",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "trail without its triggers",
        "drop trigger append_only_truncate on audit.events",
        "audit-trail: audit.events",
    ),
    mutation(
        "trail that belongs to somebody else",
        "alter table audit.events_default owner to current_user",
        "audit-trail: audit.events_default",
    ),
    mutation(
        "trail that may be read whole",
        "grant select on audit.events_default to app_api",
        "audit-trail: audit.events_default",
        "policy-coverage: audit.events_default, app_api",
    ),
    mutation(
        "trail that may be written",
        "grant insert on audit.events to app_worker",
        "audit-trail: audit.events",
        "policy-coverage: audit.events, app_worker",
    ),
    mutation(
        "no partition for next month",
        "do $$ begin execute format('drop table audit.events_%s', "
        "to_char((now() at time zone 'utc') + interval '1 month', 'YYYY_MM')); end $$",
        "audit-partitions: audit.events",
    ),
    *(mutation(*case) for case in (*tenants.MUTATIONS, *layout.MUTATIONS)),
    mutation(
        "table that a deletion would leave behind",
        "revoke delete on public.contacts from app_operator",
        "operator: public.contacts",
    ),
)


@pytest.mark.usefixtures("home")
def test_a_migrated_database_is_healthy(database: Connection) -> None:
    assert failures(database) == set()


def test_a_table_made_by_the_rules_is_healthy(database: Connection, home: str) -> None:
    database.execute(at(home, NOTES).encode())
    assert failures(database) == set()


@pytest.mark.parametrize("case", MUTATIONS, ids=lambda case: case.name)
def test_a_missing_protection_is_named(database: Connection, home: str, case: Mutation) -> None:
    database.execute(at(home, case.sql).encode())
    assert failures(database) == expected(case, home)


def test_every_check_can_fail() -> None:
    assert {check for case in MUTATIONS for check, _ in case.found} == {c.name for c in CHECKS}


def test_records_without_a_month_of_their_own_are_a_warning(database: Connection) -> None:
    database.execute("insert into audit.events (occurred_at, action) values ('2001-01-01', 'test')")
    (found,) = [finding for look in examine(database) for finding in look.findings]
    assert found.is_warning
    assert found.object == "audit.events_default"


def test_the_api_s_own_login_can_look(patient: Connections) -> None:
    with log_in(patient.app_api) as connection:
        connection.execute("set transaction read only")
        assert failures(connection) == set()


def test_the_command_prints_the_cure_and_fails(platform: Platform, patient: Connections) -> None:
    healthy = platform.app("doctor", connections=patient)
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    with psycopg.connect(patient.migrator, autocommit=True) as owner:
        owner.execute("create schema careless; create table careless.open (id uuid)")
        owner.execute("grant select on careless.open to app_api")
        try:
            sick = platform.app("doctor", connections=patient)
        finally:
            owner.execute("drop schema careless cascade")
    assert sick.returncode == 1
    lines = sick.stdout.splitlines()
    assert "  FAILED row-security: careless.open has row level security off" in lines
    assert "         cure: alter table careless.open enable row level security;" in lines


def test_a_database_that_cannot_be_reached_is_not_healthy(
    platform: Platform, patient: Connections
) -> None:
    nowhere = f"postgresql://nobody@{LOOPBACK}:{free_port()}/nothing"
    result = platform.app("doctor", connections=patient, MIGRATION_DATABASE_URL=nowhere)
    assert result.returncode == 2
    assert "MIGRATION_DATABASE_URL" in result.stderr


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(tenant_id = ( SELECT app.current_tenant_id() AS current_tenant_id))", []),
        ("(tenant_id = app.current_tenant_id())", ["app.current_tenant_id"]),
        ("(( SELECT app.f('a)(b''c') AS f) AND app.g(1))", ["app.g"]),
        ("(( SELECT app.f(t.tenant_id) AS f))", ["app.f"]),
        ("(( SELECT app.f(s.tenant_id) AS f))", []),
        ("(x IN ( SELECT m.x FROM public.m WHERE (m.y = app.f())))", ["app.f"]),
        ("(x IN ( SELECT m.x FROM public.m WHERE (m.y = ( SELECT app.f() AS f))))", []),
        ("(x = (current_setting('a'::text))::uuid)", ["current_setting"]),
        ("(lower(x) = ANY (ARRAY['app.f()'::text]))", []),
        ("(x = '1'::extensions.vector(3))", []),
        ('(x = "Odd ""schema"."f"(y))', ['"Odd ""schema"."f"']),
        ("(EXTRACT(year FROM app.f()) > 1)", ["app.f"]),
    ],
)
def test_a_call_for_every_row_is_seen(expression: str, expected: list[str]) -> None:
    assert list(calls_per_row(expression, "t")) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(tenant_id = ( SELECT app.f() AS f))", True),
        ("(( SELECT app.f() AS f) = tenant_id)", True),
        ("(tenant_id = app.f())", True),
        ("((x > 1) AND (tenant_id = ( SELECT app.f() AS f)) AND (y OR z))", True),
        ("((x > 1) AND ((y > 1) AND (tenant_id = ( SELECT app.f() AS f))))", True),
        ("((tenant_id = ( SELECT app.f() AS f)) OR (x > 1))", False),
        ("(NOT (tenant_id = ( SELECT app.f() AS f)))", False),
        ("(tenant_id <> ( SELECT app.f() AS f))", False),
        ("(other = ( SELECT app.f() AS f))", False),
        ("(tenant_id = ( SELECT app.g() AS g))", False),
        ("true", False),
    ],
)
def test_the_tenant_is_required_or_not(expression: str, expected: bool) -> None:
    assert requires_equality(expression, "tenant_id", "app.f") is expected


def test_calls_are_found_however_deep() -> None:
    assert calls("((a = app.f(b, app.g())) OR (c IN (SELECT app.h() AS h)))") == {
        "app.f",
        "app.g",
        "app.h",
    }
