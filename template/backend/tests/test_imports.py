"""An import from upload to the last row, with workers that die on the way."""

import asyncio
import csv
import hashlib
import io
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.choices import tenancy
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.running import AppProcess, Platform

MINE = tenancy.TENANT_COLUMN
SECONDS = 120.0


class Office:
    """A tenant of its own, with somebody who uploads."""

    def __init__(self, api: httpx.AsyncClient, token: MintToken) -> None:
        self.api = api
        self.name = uuid.uuid4().hex
        self.headers = {"Authorization": f"Bearer {token(user=self.name, org=self.name)}"}

    async def upload(self, content: bytes, key: str | None = None) -> httpx.Response:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        files = {"file": ("contacts.csv", content, "text/csv")}
        return await self.api.post("/api/v1/imports", headers=headers, files=files)

    async def state(self, import_id: str) -> dict[str, Any]:
        found = await self.api.get(f"/api/v1/imports/{import_id}", headers=self.headers)
        assert found.status_code == 200, found.text
        state: dict[str, Any] = found.json()
        return state

    async def until(
        self, import_id: str, reached: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while not reached(state := await self.state(import_id)):
                await asyncio.sleep(0.01)
        return state

    async def finished(self, import_id: str) -> dict[str, Any]:
        return await self.until(import_id, lambda state: state["finished_at"] is not None)

    async def rejected(self, import_id: str) -> list[dict[str, str]]:
        answer = await self.api.get(
            f"/api/v1/imports/{import_id}/rejected.csv", headers=self.headers
        )
        assert answer.status_code == 200
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.fixture
def office(api: httpx.AsyncClient, token: MintToken) -> Office:
    return Office(api, token)


def csv_of(lines: Iterator[str]) -> bytes:
    return "\n".join(("name,email,company,amount", *lines, "")).encode()


def people(count: int) -> Iterator[str]:
    for number in range(count):
        yield f"Person {number},p{number}@example.org,Company {number % 7},{number}.25"


@pytest.mark.usefixtures("worker")
async def test_good_rows_become_contacts_and_bad_ones_are_kept(office: Office) -> None:
    lines = list(people(50))
    lines[3] = "No Address,nowhere,Some & Co,1"
    lines[9] = "Twice,p1@example.org,,2"
    lines[20] = "Extra,extra@example.org,,1,=HYPERLINK(1),+2"
    accepted = await office.upload(csv_of(iter(lines)))
    assert accepted.status_code == 202
    assert accepted.json()["status"] == "queued"

    state = await office.finished(accepted.json()["id"])
    assert state["status"] == "succeeded"
    assert (state["rows_total"], state["rows_done"], state["rows_rejected"]) == (50, 50, 3)
    first, second, third = await office.rejected(state["id"])
    assert (first["line"], first["column"], first["reason"]) == (
        "5",
        "email",
        "not an email address",
    )
    assert (first["name"], first["email"], first["company"]) == (
        "No Address",
        "nowhere",
        "Some & Co",
    )
    assert (second["line"], second["column"]) == ("11", "email")
    assert "another contact" in second["reason"]
    assert third["reason"] == "has 6 columns, not 4"
    assert third["extra"] == "'=HYPERLINK(1),+2"


@pytest.mark.usefixtures("worker")
async def test_what_a_field_may_hold_arrives_as_it_is(office: Office) -> None:
    names = ["A\rB", "A\nB", "A\tB", "A\r\nB", 'A "B" C', "A, B", "\\N", "\\.", "NULL", "Zoë 李"]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(("name", "email", "company", "amount"))
    writer.writerows((name, f"p{n}@example.org", "", n) for n, name in enumerate(names))
    accepted = await office.upload(file.getvalue().encode())
    state = await office.finished(accepted.json()["id"])
    assert (state["status"], state["rows_rejected"]) == ("succeeded", 0)
    page = await office.api.get("/api/v1/contacts", headers=office.headers)
    found = {contact["email"]: contact for contact in page.json()["items"]}
    assert [found[f"p{n}@example.org"]["name"] for n in range(len(names))] == names
    assert {contact["company"] for contact in found.values()} == {""}


@pytest.mark.usefixtures("worker")
async def test_the_same_file_twice_doubles_nothing(office: Office) -> None:
    content = csv_of(people(30))
    for rejected in (0, 30):
        accepted = await office.upload(content)
        state = await office.finished(accepted.json()["id"])
        assert (state["status"], state["rows_rejected"]) == ("succeeded", rejected)
    page = await office.api.get("/api/v1/contacts", headers=office.headers)
    assert len(page.json()["items"]) == 30


async def test_the_same_key_is_the_same_import(office: Office) -> None:
    content = csv_of(people(3))
    answers = await asyncio.gather(*(office.upload(content, "key-1") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1

    other = await office.upload(csv_of(people(4)), "key-1")
    assert other.status_code == 422
    assert "another file" in other.json()["detail"]


async def test_a_refused_file_leaves_nothing(office: Office, platform: Platform) -> None:
    def stored() -> list[str]:
        return sorted(str(path) for path in (platform.folder / "storage").rglob("*"))

    before = stored()
    refused = await office.upload(b"name;email;company;amount\nA;a@x.org;;1\n")
    assert refused.status_code == 422
    assert "semicolons" in refused.json()["detail"]
    assert stored() == before
    kept = (await office.api.get("/api/v1/imports", headers=office.headers)).json()
    assert kept["items"] == []


@pytest.fixture
def slow_worker(platform: Platform) -> Iterator[AppProcess]:
    """A worker whose chunks are small, so that there is a middle to kill it in."""
    process = platform.worker(IMPORT_CHUNK_ROWS="200")
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize("first", [0, 199])
@pytest.mark.usefixtures("slow_worker")
async def test_an_email_is_taken_once_however_far_apart_its_rows_are(
    office: Office, session_worker: AppProcess, first: int
) -> None:
    session_worker.stop()
    known = csv_of(iter(["Known,known@example.org,,1"]))
    await office.finished((await office.upload(known)).json()["id"])
    lines = list(people(1500))
    again = [first + 1, first + 200, first + 201, first + 400, first + 1000]
    for number in again:
        lines[number] = f"Again,P{first}@Example.org,,{number}"
    lines[700] = "Known,KNOWN@example.org,,2"
    accepted = await office.upload(csv_of(iter(lines)))
    state = await office.finished(accepted.json()["id"])
    rejected = sorted([*again, 700])
    assert (state["status"], state["rows_done"]) == ("succeeded", len(lines))
    assert state["rows_rejected"] == len(rejected)
    found = await office.rejected(state["id"])
    assert [int(row["line"]) for row in found] == [number + 2 for number in rejected]
    assert {row["reason"] for row in found} == {"belongs to another contact already"}


@pytest.mark.usefixtures("slow_worker")
async def test_two_imports_of_the_same_people_in_another_order(
    office: Office, session_worker: AppProcess, as_admin: Connection
) -> None:
    session_worker.stop()
    lines = list(people(5000))
    uploads = [csv_of(iter(lines)), csv_of(reversed(lines))]
    accepted = [(await office.upload(content)).json()["id"] for content in uploads]
    states = [await office.finished(import_id) for import_id in accepted]
    assert [state["status"] for state in states] == ["succeeded"] * 2
    assert sum(state["rows_rejected"] for state in states) == len(lines)
    [(tenant_id,)] = as_admin.execute(
        f"select id from {tenants.NAMED} t", [tenants.external_id(office.name)]
    ).fetchall()
    contacts = as_admin.execute(
        f"select count(*), count(distinct email) from {tenants.schema_of(tenant_id)}.contacts "
        f"where {MINE} = %s".encode(),
        (tenant_id,),
    ).fetchone()
    assert contacts == (len(lines), len(lines))


async def test_a_worker_with_one_connection_is_slow_and_no_more(
    office: Office, session_worker: AppProcess, platform: Platform
) -> None:
    session_worker.stop()
    poor = platform.worker(IMPORT_CHUNK_ROWS="200", DATABASE_POOL_SIZE="1", TENANT_POOL_SIZE="1")
    poor.start()
    try:
        content = csv_of(people(2000))
        for rejected in (0, 2000):
            state = await office.finished((await office.upload(content)).json()["id"])
            assert (state["status"], state["rows_rejected"]) == ("succeeded", rejected)
    finally:
        poor.stop()


async def test_a_killed_worker_costs_nothing(
    office: Office,
    session_worker: AppProcess,
    slow_worker: AppProcess,
    as_admin: Connection,
) -> None:
    session_worker.stop()
    rows = 20_000
    accepted = await office.upload(csv_of(people(rows)))
    import_id = accepted.json()["id"]
    # Twice, as a queue may give a job up that it has lost a second time.
    for _ in range(2):
        done = (await office.state(import_id))["rows_done"]
        await office.until(import_id, lambda state, done=done: state["rows_done"] > done)  # type: ignore[misc]
        slow_worker.kill()
        slow_worker.start()
    state = await office.finished(import_id)
    assert (state["status"], state["rows_done"], state["rows_rejected"]) == ("succeeded", rows, 0)

    [(tenant_id,)] = as_admin.execute(
        f"select id from {tenants.NAMED} t", [tenants.external_id(office.name)]
    ).fetchall()
    counts = as_admin.execute(
        f"""
        select (select count(*) from {tenants.schema_of(tenant_id)}.contacts c
                where c.{MINE} = t.id),
               (select count(*) from audit.events e
                where e.tenant_id = t.id and e.table_name = 'contacts' and e.action = 'insert'),
               (select count(distinct e.row_id) from audit.events e
                where e.tenant_id = t.id and e.table_name = 'contacts'),
               (select count(*) from app.outbox j where j.tenant_id = t.id)
        from {tenants.NAMED} t
        """,
        (tenants.external_id(office.name),),
    ).fetchone()
    assert counts == (rows, rows, rows, 0)


async def test_a_stopped_worker_hands_its_import_on(
    office: Office, session_worker: AppProcess, platform: Platform
) -> None:
    session_worker.stop()
    leaving = platform.worker(IMPORT_CHUNK_ROWS="200", WORKER_DRAIN_SECONDS="0.1")
    leaving.start()
    accepted = await office.upload(csv_of(people(20_000)))
    await office.until(accepted.json()["id"], lambda state: state["rows_done"] > 0)
    leaving.stop()
    state = await office.state(accepted.json()["id"])
    assert state["status"] == "running"
    assert state["rows_done"] < 20_000
    session_worker.start()
    state = await office.finished(accepted.json()["id"])
    assert (state["status"], state["rows_rejected"]) == ("succeeded", 0)


async def test_the_file_is_stored_as_it_was_sent(
    office: Office, platform: Platform, as_admin: Connection
) -> None:
    content = csv_of(people(5))
    import_id = (await office.upload(content)).json()["id"]
    (stored,) = (platform.folder / "storage").glob(f"tenants/*/imports/{import_id}.csv")
    assert stored.read_bytes() == content
    [(tenant_id,)] = as_admin.execute(
        f"select id from {tenants.NAMED} t", [tenants.external_id(office.name)]
    ).fetchall()
    home = tenants.schema_of(tenant_id)
    noted = as_admin.execute(
        f"select file_sha256, file_bytes from {home}.imports where id = %s".encode(), (import_id,)
    ).fetchone()
    assert noted == (hashlib.sha256(content).digest(), len(content))
