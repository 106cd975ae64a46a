"""A tenant's life, from outside: an operator's commands, the running API, a real worker.

The commands are processes of their own, on the database and the files that the product uses.
"""

import asyncio
import csv
import hashlib
import io
import json
import signal
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import errors, sql

from app.choices import tenancy
from app.command_choices import tenancy as command_tenancy
from app.dev.choices import provider
from app.dev.servers import BACKEND, Connections
from app.revisions import head
from app.storage import Storage
from tests import forked
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.pooler import log_in
from tests.running import AppProcess, Platform
from tests.test_doctor import failures

SECONDS = 120.0

COLUMN = sql.Identifier(tenancy.TENANT_COLUMN)

Rows = dict[str, list[Any]]


class Operator:
    """Types commands."""

    def __init__(self, platform: Platform) -> None:
        self.environment = platform.environment(platform.connections.for_operator())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", "tenants", *arguments],
            env=self.environment,
            cwd=BACKEND,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def types(self, *arguments: str, answer: str = "") -> tuple[int, str]:
        """The exit code and everything that was printed."""
        command = ["tenants", *arguments]
        done = forked.run(command, env=self.environment, answer=answer, seconds=SECONDS)
        return done.returncode, done.stdout + done.stderr

    def succeeds(self, *arguments: str, answer: str = "") -> str:
        code, output = self.types(*arguments, answer=answer)
        assert code == 0, output
        return output

    def is_refused(self, *arguments: str, answer: str = "") -> str:
        code, output = self.types(*arguments, answer=answer)
        assert code == 1, output
        assert "Traceback" not in output
        return output


class Client:
    """A tenant with a person who uses the product."""

    def __init__(self, tenant: tenants.Tenant, api: httpx.AsyncClient, token: MintToken) -> None:
        self.tenant = tenant
        self.id = str(tenant.id)
        self._api = api
        self._headers = {"Authorization": f"Bearer {token(user=tenant.name, org=tenant.name)}"}

    async def get(self, path: str) -> httpx.Response:
        return await self._api.get(f"/api/v1/{path}", headers=self._headers)

    async def add_contact(self, name: str = "Ada", email: str | None = None) -> httpx.Response:
        contact = {
            "name": name,
            "email": email or f"{uuid.uuid4().hex}@example.org",
            "company": 'Ünïted, "Ltd"\nof \\N',
            "amount": "1234567.89",
        }
        return await self._api.post("/api/v1/contacts", headers=self._headers, json=contact)

    async def upload(self, rows: int = 3) -> tuple[str, bytes]:
        lines = [f"Person {n},{uuid.uuid4().hex}@example.org,,{n}" for n in range(rows)]
        content = "\n".join(("name,email,company,amount", *lines, "")).encode()
        answer = await self._api.post(
            "/api/v1/imports",
            headers=self._headers,
            files={"file": ("odd ../name.csv", content, "text/csv")},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["id"], content

    async def import_state(self, import_id: str) -> dict[str, Any]:
        found = await self.get(f"imports/{import_id}")
        assert found.status_code == 200, found.text
        state: dict[str, Any] = found.json()
        return state

    async def imported(self, rows: int = 3) -> tuple[str, bytes]:
        """An import that is done."""
        import_id, content = await self.upload(rows)
        await until_import(self, import_id, lambda state: state["status"] == "succeeded")
        return import_id, content


async def until_import(
    client: Client, import_id: str, reached: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while not reached(state := await client.import_state(import_id)):
            await asyncio.sleep(0.02)
    return state


async def until(admin: Connection, query: str, *parameters: object) -> None:
    """Until the database's answer is true."""
    async with asyncio.timeout(SECONDS):
        while admin.execute(query.encode(), parameters).fetchone() != (True,):
            await asyncio.sleep(0.02)


@pytest.fixture
def operator(platform: Platform) -> Operator:
    return Operator(platform)


@pytest.fixture
def new_client(
    as_admin: Connection, api: httpx.AsyncClient, token: MintToken
) -> Callable[[], Client]:
    def make() -> Client:
        return Client(tenants.make(as_admin, uuid.uuid4().hex[:12]), api, token)

    return make


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    return new_client()


@pytest.fixture
def other(new_client: Callable[[], Client]) -> Client:
    """Another tenant, who must not notice anything."""
    return new_client()


def visit(admin: Connection, client: Client) -> str:
    """Let the unqualified names of tables mean this tenant's; returns their schema."""
    home = tenants.schema_of(client.tenant.id)
    admin.execute(sql.SQL("set search_path = {}, public").format(sql.Identifier(home)))
    return home


def rows_of(admin: Connection, client: Client) -> Rows:
    """Every row that is a tenant's own, in every table there is."""
    home = visit(admin, client)
    tables = admin.execute(
        """
        select n.nspname, c.relname,
            (select a.attname from pg_attribute a where a.attrelid = c.oid
             and a.attname in ('tenant_id', %s) order by a.attname = 'tenant_id' desc limit 1)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and not c.relispartition
          and n.nspname in ('public', 'app', 'audit', %s)
        """,
        (tenancy.TENANT_COLUMN, home),
    ).fetchall()
    found: Rows = {}
    for schema, name, column in tables:
        if column is None and name not in {"tenants", "organizations", "users"}:
            continue
        whose = client.tenant.user_id if name == "users" else client.tenant.id
        query = sql.SQL("select to_jsonb(t) from {} t where {} = %s order by 1").format(
            sql.Identifier(schema, name), sql.Identifier(column or "id")
        )
        shown = "public" if schema == home else schema
        found[f"{shown}.{name}"] = [row for (row,) in admin.execute(query, (whose,))]
    return found


def count_contacts(admin: Connection, client: Client) -> int:
    home = visit(admin, client)
    if admin.execute("select to_regnamespace(%s)", (home,)).fetchone() == (None,):
        return 0
    query = sql.SQL("select count(*) from contacts where {} = %s").format(COLUMN)
    row = admin.execute(query, (client.tenant.id,)).fetchone()
    assert row is not None
    return int(row[0])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files_of(platform: Platform, client: Client) -> list[str]:
    folder = platform.folder / "storage" / "tenants" / client.id
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# Suspending and resuming.


async def test_a_suspended_tenant_is_refused_and_nobody_else(
    operator: Operator, client: Client, other: Client, as_admin: Connection
) -> None:
    assert (await client.add_contact()).status_code == 201
    said = operator.succeeds("suspend", client.id, "--reason", "unpaid")
    assert "tenants resume" in said
    for answer in (
        await client.get("contacts"),
        await client.add_contact(),
        await client.get("me"),
    ):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:problem:tenant-suspended"
    assert (await other.get("contacts")).status_code == 200
    assert (await other.add_contact()).status_code == 201
    assert "has been suspended since" in operator.succeeds("suspend", client.id)
    assert json.loads(operator.succeeds("show", client.id))["reason"] == "unpaid"

    assert "served again" in operator.succeeds("resume", client.id)
    assert "was not suspended" in operator.succeeds("resume", client.id)
    assert len((await client.get("contacts")).json()["items"]) == 1
    assert (await client.add_contact()).status_code == 201
    changes = as_admin.execute(
        """
        select old ->> 'state', new ->> 'state', new ->> 'reason', login from audit.events
        where tenant_id = %s and table_name = 'tenants' and action = 'update' order by id
        """,
        (client.tenant.id,),
    ).fetchall()
    assert changes == [
        ("active", "suspended", "unpaid", "migrator"),
        ("suspended", "active", None, "migrator"),
    ]


async def test_a_job_waits_for_its_tenant(
    operator: Operator,
    client: Client,
    other: Client,
    session_worker: AppProcess,
    as_admin: Connection,
) -> None:
    session_worker.stop()
    import_id, _ = await client.upload()
    operator.succeeds("suspend", client.id)
    session_worker.start()
    await until(as_admin, "select parked from app.outbox where tenant_id = %s", client.tenant.id)
    await other.imported()
    assert json.loads(operator.succeeds("show", client.id))["jobs"] == {"parked": 1}
    assert count_contacts(as_admin, client) == 0

    operator.succeeds("resume", client.id)
    state = await until_import(client, import_id, lambda state: state["finished_at"] is not None)
    assert (state["status"], state["rows_done"]) == ("succeeded", 3)


async def test_a_running_job_stops_and_goes_on_where_it_was(
    operator: Operator,
    client: Client,
    session_worker: AppProcess,
    platform: Platform,
    as_admin: Connection,
) -> None:
    session_worker.stop()
    rows = 20_000
    import_id, _ = await client.upload(rows)
    slow = platform.worker(IMPORT_CHUNK_ROWS="100")
    slow.start()
    try:
        await until_import(client, import_id, lambda state: state["rows_done"] > 0)
        # What the command does, without the second that it takes to start.
        as_admin.execute("select app.set_tenant_state(%s, 'suspended', null)", (client.tenant.id,))
        await until(
            as_admin, "select parked from app.outbox where tenant_id = %s", client.tenant.id
        )
        done = count_contacts(as_admin, client)
        assert 0 < done < rows
        operator.succeeds("resume", client.id)
        state = await until_import(
            client, import_id, lambda state: state["finished_at"] is not None
        )
    finally:
        slow.stop()
    assert (state["status"], state["rows_rejected"]) == ("succeeded", 0)
    assert count_contacts(as_admin, client) == rows


async def test_no_job_is_parked_behind_the_back_of_a_resume(
    operator: Operator,
    client: Client,
    session_worker: AppProcess,
    as_worker: Connection,
    as_admin: Connection,
) -> None:
    session_worker.stop()
    await client.upload()
    operator.succeeds("suspend", client.id)
    (job_id,) = as_admin.execute(
        "select id from app.outbox where tenant_id = %s", (client.tenant.id,)
    ).fetchone() or (None,)
    claimed = as_worker.execute("select task from app.claim_job(%s, %s)", (job_id, uuid.uuid4()))
    assert claimed.fetchone() == (None,)
    resuming = operator.start("resume", client.id)
    await until(
        as_admin, "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
    )
    as_worker.commit()
    assert resuming.communicate(timeout=SECONDS)[0].endswith("its jobs run.\n")
    found = as_admin.execute("select parked from app.outbox where id = %s", (job_id,)).fetchone()
    assert found == (False,)


# Naming, listing, creating.


async def test_a_tenant_that_nobody_has_signed_in_to_is_made(
    operator: Operator, api: httpx.AsyncClient, token: MintToken, as_admin: Connection
) -> None:
    name = uuid.uuid4().hex[:12]
    in_words = {"organization": name, "account": provider.subject(name)}[command_tenancy.TENANT]
    made = operator.succeeds("create", in_words).strip()
    assert str(uuid.UUID(made)) == made
    headers = {"Authorization": f"Bearer {token(user=name, org=name)}"}
    answer = await api.get("/api/v1/me", headers=headers)
    me = answer.json()
    assert (me["organization"] or me["user"])["id"] == made
    assert json.loads(operator.succeeds("show", in_words))["id"] == made

    assert made in operator.is_refused("create", in_words)
    operator.succeeds("delete", made, "--yes", made)
    assert "deleted" in operator.is_refused("create", in_words)
    assert "1 to 255" in operator.is_refused("create", "x" * 300)
    known = as_admin.execute("select count(*) from tenants where id = %s", (made,)).fetchone()
    assert known == (1,)


def test_a_name_that_is_nobodys_or_anybodys_changes_nothing(
    operator: Operator, client: Client, other: Client, as_admin: Connection
) -> None:
    assert "tenants list" in operator.is_refused("suspend", "nobody-of-that-name")
    shared = f"{uuid.uuid4().hex[:12]}@example.org"
    table, column = {
        "organization": ("organizations", "slug"),
        "account": ("users", "email"),
    }[command_tenancy.TENANT]
    as_admin.execute(
        sql.SQL("update {} set {} = %s where id = any(%s)").format(
            sql.Identifier(table), sql.Identifier(column)
        ),
        (shared, [client.tenant.id, other.tenant.id]),
    )
    said = operator.is_refused("delete", shared, "--yes", shared)
    assert client.id in said
    assert other.id in said
    for wanted in (client, other):
        assert json.loads(operator.succeeds("show", wanted.id))["state"] == "active"


def test_the_list_shows_states_and_odd_names(
    operator: Operator, as_admin: Connection, client: Client
) -> None:
    name = uuid.uuid4().hex[:12]
    odd = tenants.make(as_admin, name, secret="Red \x1b[31m\nforged line, Zoë 李")
    operator.succeeds("suspend", client.id)
    lines = operator.succeeds("list").splitlines()
    (shown,) = [line for line in lines if line.startswith(str(odd.id))]
    assert "active" in shown
    assert "Red \\x1b[31m\\nforged line, Zoë 李" in shown
    suspended = operator.succeeds("list", "--state", "suspended").splitlines()
    assert any(line.startswith(client.id) for line in suspended)
    assert not any(line.startswith(str(odd.id)) for line in suspended)


@pytest.mark.parametrize(
    "command", ["list", "show", "create", "suspend", "resume", "export", "delete"]
)
def test_every_command_explains_itself(operator: Operator, command: str) -> None:
    assert "Usage:" in operator.succeeds(command, "--help")


# Exporting.


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest, and every other file; each is what the manifest says."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content.pop("manifest.json"))
    assert [entry["name"] for entry in manifest["files"]] == list(content)
    for entry in manifest["files"]:
        assert entry["sha256"] == hashlib.sha256(content[entry["name"]]).hexdigest()
        assert entry["bytes"] == len(content[entry["name"]])
    return manifest, content


ODD = ("Zoë 李", 'A "B" \\ C', "new\nline\r\ttab", "\\N", "\\.", "O'Neil, Jr.", "{}[]", "\\\\n")


@pytest.mark.usefixtures("worker")
async def test_an_archive_holds_everything_of_one_tenant(
    operator: Operator, client: Client, other: Client, as_admin: Connection, tmp_path: Path
) -> None:
    for name in ODD:
        assert (await client.add_contact(name)).status_code == 201
    import_id, content = await client.imported()
    await other.add_contact("Stranger")
    await other.imported()
    path = tmp_path / "odd näme.zip"
    said = operator.succeeds("export", client.id, "--output", str(path))
    assert str(path) in said
    assert path.stat().st_mode & 0o077 == 0

    manifest, files = read_archive(path)
    assert manifest["tenant"]["id"] == client.id
    assert manifest["revisions"] == [head("control"), head("tenant")]
    assert files[f"files/imports/{import_id}.csv"] == content
    expected = {
        name: rows
        for name, rows in rows_of(as_admin, client).items()
        if not name.startswith("app.")
    }
    rows = {entry["name"]: entry["rows"] for entry in manifest["files"] if "rows" in entry}
    for table, there in expected.items():
        member = f"tables/{table.removeprefix('public.').replace('.', '/')}.ndjson"
        exported = [json.loads(line) for line in files[member].splitlines()]
        if table == "public.users":  # whoever belongs to it
            assert all(row in exported for row in there)
            continue
        assert sorted(exported, key=str) == sorted(there, key=str)
        assert rows[member] == len(there)
    contacts = [json.loads(line) for line in files["tables/contacts.ndjson"].splitlines()]
    assert {contact["name"] for contact in contacts} >= set(ODD)
    trail = [json.loads(line) for line in files["tables/audit/events.ndjson"].splitlines()]
    assert "tenant.exported" in {event["action"] for event in trail}
    everything = b"".join(files.values())
    assert b"Stranger" not in everything
    for word in other.tenant.words:
        assert word.encode() not in everything

    assert "exists already" in operator.is_refused("export", client.id, "--output", str(path))
    nowhere = tmp_path / "missing" / "x.zip"
    assert "cannot be written" in operator.is_refused("export", client.id, "--output", str(nowhere))


async def test_an_archive_in_csv_is_the_same(
    operator: Operator, client: Client, tmp_path: Path
) -> None:
    for name in ODD:
        await client.add_contact(name)
    path = tmp_path / "archive.zip"
    operator.succeeds("export", client.id, "--output", str(path), "--format", "csv")
    manifest, files = read_archive(path)
    rows = {entry["name"]: entry["rows"] for entry in manifest["files"] if "rows" in entry}
    text = files["tables/contacts.csv"].decode()
    contacts = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {contact["name"] for contact in contacts} == set(ODD)
    assert rows["tables/contacts.csv"] == len(ODD)
    assert contacts[0]["amount"] == "1234567.89"
    assert names_in(tmp_path) == ["archive.zip"]


def test_a_table_that_could_not_be_exported_stops_the_export(
    operator: Operator, client: Client, as_admin: Connection, tmp_path: Path
) -> None:
    visit(as_admin, client)
    as_admin.execute("revoke select on contacts from app_operator")
    try:
        path = tmp_path / "archive.zip"
        assert "contacts" in operator.is_refused("export", client.id, "--output", str(path))
        assert names_in(tmp_path) == []
    finally:
        as_admin.execute("grant select on contacts to app_operator")


# Deleting.


async def test_a_deletion_needs_the_name(
    operator: Operator, client: Client, as_admin: Connection
) -> None:
    await client.add_contact()
    before = rows_of(as_admin, client)
    name = json.loads(operator.succeeds("show", client.id))
    title = name["label"] or name["external_id"]
    for wrong in ("", f"{title} "):
        assert "nothing was changed" in operator.is_refused("delete", client.id, "--yes", wrong)
    assert "nothing was changed" in operator.is_refused("delete", client.id, answer="y\n")
    assert rows_of(as_admin, client) == before
    assert (await client.get("contacts")).status_code == 200
    operator.succeeds("delete", client.id, answer=f"{title}\n")
    assert count_contacts(as_admin, client) == 0


@pytest.mark.usefixtures("worker")
async def test_a_deletion_takes_everything_of_one_tenant(
    operator: Operator,
    client: Client,
    other: Client,
    session_worker: AppProcess,
    platform: Platform,
    as_admin: Connection,
) -> None:
    for someone in (client, other):
        await someone.add_contact("Kept in the trail")
        await someone.imported()
    session_worker.stop()
    await client.upload()
    before, others = rows_of(as_admin, client), rows_of(as_admin, other)
    other_files = files_of(platform, other)
    assert len(files_of(platform, client)) == 2
    assert before["app.outbox"]

    operator.succeeds("delete", client.id, "--yes", client.id, "--reason", "left")
    after = rows_of(as_admin, client)
    kept = {"public.tenants", "public.organizations", "public.users", "public.memberships"}
    assert {name for name, rows in after.items() if rows} <= kept | {"audit.events"}
    assert all(
        membership["status"] == "removed" for membership in after.get("public.memberships", [])
    )
    assert [(row["state"], row["reason"]) for row in after["public.tenants"]] == [
        ("deleted", "left")
    ]
    assert files_of(platform, client) == []
    assert rows_of(as_admin, other) == others
    assert files_of(platform, other) == other_files
    assert (await other.get("contacts")).status_code == 200

    trail = after["audit.events"]
    assert [event for event in before["audit.events"] if event not in trail] == []
    deleted = {
        e["row_id"] for e in trail if (e["action"], e["table_name"]) == ("delete", "contacts")
    }
    assert deleted == {row["id"] for row in before["public.contacts"]}
    (summary,) = [event for event in trail if event["action"] == "tenant.deleted"]
    assert summary["new"]["rows"]["contacts"] == len(before["public.contacts"])
    assert summary["login"] == "migrator"

    # A token that is still valid brings nothing back.
    for answer in (
        await client.get("contacts"),
        await client.add_contact(),
        await client.get("me"),
    ):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:problem:tenant-deleted"
    again = operator.succeeds("delete", client.id, "--yes", client.id)
    assert "is deleted" in again
    assert rows_of(as_admin, client) == after
    for command in ("resume", "suspend"):
        assert "deleted" in operator.is_refused(command, client.id)


@pytest.mark.usefixtures("worker")
async def test_an_interrupted_deletion_goes_on(
    operator: Operator,
    client: Client,
    other: Client,
    platform: Platform,
    as_admin: Connection,
    admin_url: str,
) -> None:
    import_id, _ = await client.imported(6000)
    await other.imported()
    others = rows_of(as_admin, other)
    with psycopg.connect(admin_url) as holder:
        visit(holder, client)
        holder.execute("select from imports where id = %s for update", (import_id,))
        deleting = operator.start("delete", client.id, "--yes", client.id)
        await until(
            as_admin,
            "select exists (select from pg_stat_activity where application_name = 'operator'"
            " and wait_event_type = 'Lock' and query like 'delete%%')",
        )
        deleting.send_signal(signal.SIGKILL)
        deleting.wait()
    deleting.communicate()
    # Its server process notices when it has the lock, and rolls back.
    await until(
        as_admin,
        "select not exists (select from pg_stat_activity where application_name = 'operator')",
    )
    assert count_contacts(as_admin, client) == 0
    assert files_of(platform, client) == [f"imports/{import_id}.csv"]
    assert (await client.get("me")).json()["type"] == "urn:problem:tenant-deleted"

    operator.succeeds("delete", client.id, "--yes", client.id)
    assert files_of(platform, client) == []
    after = rows_of(as_admin, client)
    assert after.get("public.imports", []) == after["app.outbox"] == []
    assert rows_of(as_admin, other) == others


async def test_a_write_that_began_before_is_deleted_too(
    operator: Operator, client: Client, as_api: Connection, as_admin: Connection
) -> None:
    enter = sql.SQL("select {}(%s, 'r')").format(sql.Identifier(*tenancy.ENTER.split(".")))
    as_api.execute(enter, (client.tenant.claims(),))
    as_api.execute("insert into contacts (name, email) values ('Late', 'late@example.org')")
    deleting = operator.start("delete", client.id, "--yes", client.id)
    await until(as_admin, "select state = 'deleted' from tenants where id = %s", client.tenant.id)
    with pytest.raises(subprocess.TimeoutExpired):
        deleting.wait(timeout=2.0)
    as_api.commit()
    output, _ = deleting.communicate(timeout=SECONDS)
    assert deleting.returncode == 0, output
    assert count_contacts(as_admin, client) == 0


LINKED = """
create table test_linked (
    id uuid not null default app.uuid_v7(),
    {column} uuid not null default app.default_tenant_id(),
    above uuid,
    other uuid,
    primary key ({column}, id),
    foreign key ({column}, above) references test_linked ({column}, id)
);
select app.isolate('test_linked');
create table test_circle (
    id uuid not null default app.uuid_v7(),
    {column} uuid not null default app.default_tenant_id(),
    other uuid,
    primary key ({column}, id),
    foreign key ({column}, other) references test_linked ({column}, id)
);
select app.isolate('test_circle');
alter table test_linked add foreign key ({column}, other) references test_circle ({column}, id);
"""


@pytest.fixture
def linked(migrator_url: str, client: Client) -> Iterator[None]:
    """Tables that somebody adds: one refers to itself, and two to each other."""
    with psycopg.connect(migrator_url) as owner:
        visit(owner, client)
        owner.execute(LINKED.format(column=tenancy.TENANT_COLUMN).encode())
    yield
    with psycopg.connect(migrator_url) as owner:
        visit(owner, client)
        owner.execute("drop table if exists test_linked, test_circle cascade")


@pytest.mark.usefixtures("linked")
async def test_new_tables_are_exported_and_deleted_however_they_refer_to_each_other(
    operator: Operator, client: Client, as_admin: Connection, tmp_path: Path
) -> None:
    a, b, c = (uuid.uuid4() for _ in range(3))
    mine = client.tenant.id
    visit(as_admin, client)
    for query, *parameters in (
        ("insert into test_linked ({}, id) values (%s, %s)", mine, a),
        ("insert into test_circle ({}, id, other) values (%s, %s, %s)", mine, c, a),
        ("insert into test_linked ({}, id, above, other) values (%s, %s, %s, %s)", mine, b, a, c),
        ("update test_linked set above = %s where id = %s", b, a),
    ):
        as_admin.execute(sql.SQL(query).format(COLUMN), parameters)
    path = tmp_path / "archive.zip"
    operator.succeeds("export", client.id, "--output", str(path))
    manifest, _ = read_archive(path)
    rows = {entry["name"]: entry["rows"] for entry in manifest["files"] if "rows" in entry}
    assert rows["tables/test_linked.ndjson"] == 2
    assert rows["tables/test_circle.ndjson"] == 1
    operator.succeeds("delete", client.id, "--yes", client.id)
    left = rows_of(as_admin, client)
    assert left.get("public.test_linked", []) == left.get("public.test_circle", []) == []


# What keeps the others out.


@pytest.mark.parametrize("login", ["api_url", "worker_url"])
async def test_no_login_of_the_application_acts_as_the_operator(
    login: str, client: Client, request: pytest.FixtureRequest, as_admin: Connection
) -> None:
    await client.add_contact()
    reached = [
        sql.Identifier(schema, name)
        for schema, name in as_admin.execute(
            """
            select schemaname, tablename from pg_policies
            where 'app_operator' = any(roles) and cmd = 'SELECT'
              and (schemaname, tablename) <> ('app', 'outbox')
            """
        )
    ]
    assert len(reached) >= 5
    with log_in(request.getfixturevalue(login), autocommit=True) as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("set role app_operator")
        connection.execute("select set_config('app.operated_tenant', %s, false)", (client.id,))
        for table in reached:
            try:
                rows = connection.execute(sql.SQL("select * from {}").format(table)).fetchall()
            except errors.InsufficientPrivilege:
                continue
            assert rows == []
        for call in (
            "select app.known_tenants()",
            "select app.set_tenant_state(%s, 'suspended', null)",
            "select app.entomb_tenant(%s)",
            "select audit.record_operation(%s, 'forged', '{}')",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(call.encode(), (client.id,) if "%s" in call else ())


def test_the_operator_reaches_one_tenant_and_changes_nothing(
    client: Client, other: Client, migrator_url: str
) -> None:
    with psycopg.connect(migrator_url) as connection:
        visit(connection, client)
        # Some hosts give the role that migrates BYPASSRLS, and do not take it back.
        sees = connection.execute(
            "select rolbypassrls, (select count(*) from tenants) from pg_roles"
            " where rolname = current_user"
        ).fetchone()
        assert sees is not None
        assert sees[0] or sees[1] == 0
        connection.execute("set local role app_operator")
        assert connection.execute("select count(*) from tenants").fetchone() == (0,)
        connection.execute("select set_config('app.operated_tenant', %s, true)", (client.id,))
        assert connection.execute("select id from tenants").fetchall() == [(client.tenant.id,)]
        del other
        for statement in (
            "update contacts set name = 'x'",
            "delete from audit.events",
            "delete from tenants",
            "insert into app.outbox (task, payload) values ('x', '{}')",
        ):
            with (
                pytest.raises(errors.InsufficientPrivilege),
                connection.transaction(),
            ):
                connection.execute(statement.encode())


@pytest.fixture(scope="module")
def only_home(database: Connections) -> str:
    """The schema of the tables of a database's only tenant: the doctor looks at everybody's."""
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as admin:
        return tenants.schema_of(tenants.make(admin, "patient").id)


@pytest.mark.parametrize(
    ("mutation", "check", "found"),
    [
        (
            "alter policy operator_select on contacts to app_operator, app_api",
            "policy-tenant",
            "public.contacts, policy operator_select",
        ),
        (
            "alter policy operator_delete on contacts using (true)",
            "policy-tenant",
            "public.contacts, policy operator_delete",
        ),
        (
            "alter policy operator_select on tenants to app_api",
            "policy-tenant",
            "public.tenants, policy operator_select",
        ),
        ("revoke delete on contacts from app_operator", "operator", "public.contacts"),
        ("grant update on contacts to app_operator", "operator", "public.contacts"),
        ("grant delete on users to app_operator", "operator", "public.users"),
        ("grant app_operator to app_worker", "logins", "role app_worker"),
        ("alter role app_operator login", "logins", "role app_operator"),
        ("create role clerk login; grant app_operator to clerk", "logins", "role clerk"),
    ],
)
def test_the_doctor_knows_what_the_operator_may(
    database: Connections, only_home: str, mutation: str, check: str, found: str
) -> None:
    assert database.admin is not None
    with psycopg.connect(database.admin) as admin:
        admin.execute(sql.SQL("set search_path = {}, public").format(sql.Identifier(only_home)))
        assert failures(admin) == set()
        admin.execute(mutation.encode())
        where = found.replace("public.contacts", f"{only_home}.contacts")
        assert (check, where) in failures(admin)
        admin.rollback()


async def test_a_feature_names_no_file_outside_of_its_tenant(
    platform: Platform, client: Client, other: Client
) -> None:
    storage = Storage(platform.connections.storage)
    await storage.of(client.tenant.id).put("notes/a.txt", io.BytesIO(b"mine"))
    await storage.of(other.tenant.id).put("notes/a.txt", io.BytesIO(b"theirs"))
    files = storage.of(client.tenant.id)
    for name in (
        f"../{other.id}/notes/a.txt",
        f"notes/../../{other.id}/notes/a.txt",
        f"/tenants/{other.id}/notes/a.txt",
        f"%2e%2e/{other.id}/notes/a.txt",
        f"..\\{other.id}\\notes\\a.txt",
        *("", ".", "..", "notes//a.txt", "notes/", "notes/a.txt\n", "notes/.hidden", "a\0b"),
    ):
        with pytest.raises(ValueError, match="is no name of a file"):
            files.open(name)
        with pytest.raises(ValueError, match="is no name of a file"):
            await files.put(name, io.BytesIO(b"x"))
        with pytest.raises(ValueError, match="is no name of a file"):
            await files.delete(name)
    assert [file.name for file in files.list()] == ["notes/a.txt"]
    assert files.delete_all() == 1
    assert files_of(platform, other) == ["notes/a.txt"]
    assert storage.of(other.tenant.id).open("notes/a.txt").read() == b"theirs"
