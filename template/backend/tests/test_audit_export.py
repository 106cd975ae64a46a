"""The audit trail as a file: all that is one tenant's, without a connection held for it."""

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.audit.export import _PIECE as PIECE
from app.choices import tenancy
from tests.choices import tenants
from tests.conftest import Connection, MintToken
from tests.running import Platform

EVENTS = "/api/v1/audit-events"
EXPORT = f"{EVENTS}/export"
MINE = tenancy.TENANT_COLUMN

# Of half a kilobyte and more each: what the sockets between the two keep is a small part.
LONG = 20_000

Event = dict[str, Any]


class Auditor:
    """A tenant of its own, and its owner, who reads the trail."""

    def __init__(self, api: httpx.AsyncClient, token: MintToken, admin: Connection) -> None:
        self.api = api
        self.admin = admin
        self.name = uuid4().hex
        self.headers = {
            "Authorization": f"Bearer {token(user=self.name, org=self.name, role='owner')}"
        }

    async def tenant_id(self) -> UUID:
        me = await self.api.get("/api/v1/me", headers=self.headers)
        return tenants.id_of(me.json())

    async def add(self, name: str = "Ada") -> None:
        contact = {"name": name, "email": f"{uuid4().hex}@example.com"}
        added = await self.api.post("/api/v1/contacts", headers=self.headers, json=contact)
        assert added.status_code == 201, added.text

    async def add_many(self, count: int, company: str = "") -> None:
        """As a migration would: many rows, of which the trail has every one."""
        tenant_id = await self.tenant_id()
        self.admin.execute(
            f"insert into {tenants.schema_of(tenant_id)}.contacts ({MINE}, name, email, company)"
            " select %s, 'n' || i, %s || i || '@example.com', %s"
            " from generate_series(1, %s) i".encode(),
            [tenant_id, uuid4().hex, company, count],
        )

    async def listed(self, **filters: str) -> list[Event]:
        """All of the list's pages."""
        found: list[Event] = []
        place: dict[str, str] = {}
        while True:
            asked = {"limit": "200", **filters, **place}
            page = (await self.api.get(EVENTS, headers=self.headers, params=asked)).json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            place = {"cursor": page["next_cursor"]}

    async def exported(self, form: str = "ndjson", **filters: str) -> httpx.Response:
        asked = {"format": form, **filters}
        answer = await self.api.get(EXPORT, headers=self.headers, params=asked)
        assert answer.status_code == 200, answer.text
        return answer

    async def lines(self, **filters: str) -> list[Event]:
        answer = await self.exported(**filters)
        assert answer.text == "" or answer.text.endswith("\n")
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def auditor(api: httpx.AsyncClient, token: MintToken, as_admin: Connection) -> Auditor:
    return Auditor(api, token, as_admin)


async def test_a_line_is_what_the_list_has_as_an_item(auditor: Auditor) -> None:
    await auditor.add("Ada\u2028\n\x85Lovelace")
    answer = await auditor.exported()
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-events.ndjson"'
    exported = [json.loads(line) for line in answer.text.rstrip("\n").split("\n")]
    assert exported == await auditor.listed()
    assert exported[1]["new"]["name"] == "Ada\u2028\n\x85Lovelace"


async def test_csv_has_the_same_values(auditor: Auditor) -> None:
    await auditor.add('A "quoted", name;\nof two lines')
    answer = await auditor.exported("csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-events.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    def cell(value: Any) -> str:
        return "" if value is None else str(value)

    for row, event in zip(rows, await auditor.listed(), strict=True):
        for image in ("old", "new"):
            assert (json.loads(row.pop(image) or "null")) == event.pop(image)
        assert row == {name: cell(value) for name, value in event.items()}


async def test_the_export_itself_is_on_record_and_first_of_its_file(auditor: Auditor) -> None:
    await auditor.exported("csv", table="contacts", since="2026-01-31T12:00:00Z")
    own, before, *_ = await auditor.lines()
    assert (own["action"], own["new"]) == ("audit.exported", {"format": "ndjson", "filters": {}})
    assert own["actor"] == before["actor"]
    assert before["new"] == {
        "format": "csv",
        "filters": {"table": "contacts", "since": "2026-01-31T12:00:00Z"},
    }


async def test_the_filters_are_those_of_the_list(auditor: Auditor) -> None:
    await auditor.add()
    await auditor.add_many(2)
    actor = (await auditor.listed(action="insert", table="contacts"))[-1]["actor"]
    for filters in (
        {"table": "contacts"},
        {"action": "insert"},
        {"actor": actor, "table": "contacts"},
        {"since": "2020-01-01T00:00:00Z", "table": "contacts"},
    ):
        found = await auditor.lines(**filters)
        assert found, filters
        assert found == await auditor.listed(**filters), filters
    assert await auditor.lines(table="nothing") == []
    assert await auditor.lines(since="2100-01-01T00:00:00Z") == []
    for wrong in ({"format": "xml"}, {"since": "yesterday"}):
        answer = await auditor.api.get(EXPORT, headers=auditor.headers, params=wrong)
        assert answer.status_code == 422


async def test_every_event_of_a_long_trail_is_in_it_once(auditor: Auditor) -> None:
    await auditor.add("the oldest")
    await auditor.add_many(2 * PIECE + 7)
    found = await auditor.lines(table="contacts")
    assert len(found) == len({event["id"] for event in found}) == 2 * PIECE + 8
    assert found == sorted(found, key=lambda event: str(event["id"]), reverse=True)
    # A filter that fits nothing in the first pieces still finds what is behind them.
    (oldest,) = await auditor.lines(actor=found[-1]["actor"], table="contacts")
    assert oldest["new"]["name"] == "the oldest"


async def test_no_cell_is_a_formula(auditor: Auditor) -> None:
    tenant_id = await auditor.tenant_id()
    cells = ("=HYPERLINK(1)", "+cmd", "-cmd", "@SUM(1)", "\tx", "\rx")
    for risky in cells:
        auditor.admin.execute(
            "insert into audit.events (tenant_id, actor, action) values (%s, %s, 'formula')",
            [tenant_id, risky],
        )
    text = (await auditor.exported("csv", action="formula")).text
    shown = [row["actor"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    # Records of one millisecond are in no order of their own on Postgres 15.
    assert sorted(shown) == sorted(f"'{risky}" for risky in cells)


async def test_who_may_not_read_the_trail_may_not_export_it(
    auditor: Auditor, token: MintToken
) -> None:
    assert (await auditor.api.get(EXPORT)).status_code == 401
    made = await auditor.api.post(
        "/api/v1/api-keys",
        headers=auditor.headers,
        json={"name": "contacts alone", "scopes": ["contacts:read"]},
    )
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await auditor.api.get(EXPORT, headers=key)).status_code == 403
    if tenancy.MODEL != "users":
        for role in ("member", "viewer"):
            bearer = token(user=f"{role}-{auditor.name}", org=auditor.name, role=role)
            headers = {"Authorization": f"Bearer {bearer}"}
            answer = await auditor.api.get(EXPORT, headers=headers)
            assert answer.status_code == 403, role
    assert not await auditor.listed(action="audit.exported")


@pytest.fixture
async def narrow(
    platform: Platform, token: MintToken, as_admin: Connection
) -> AsyncIterator[Auditor]:
    """The auditor of a long trail, whose API has one connection and waits a second for it."""
    process, address = platform.api(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="1")
    process.start()
    async with httpx.AsyncClient(base_url=address, timeout=30.0, trust_env=False) as client:
        auditor = Auditor(client, token, as_admin)
        await auditor.add_many(LONG, company="c" * 200)
        yield auditor
    process.stop()


@asynccontextmanager
async def half_read(auditor: Auditor) -> AsyncIterator[AsyncIterator[bytes]]:
    """An export of which somebody has read the beginning, and what is left of it."""
    async with auditor.api.stream("GET", EXPORT, headers=auditor.headers) as answer:
        assert answer.status_code == 200
        blocks = answer.aiter_bytes()
        await anext(blocks)
        yield blocks


async def test_who_reads_slowly_holds_no_connection_and_misses_nothing(narrow: Auditor) -> None:
    async with half_read(narrow) as blocks:
        for _ in range(5):
            await narrow.add("added meanwhile")
        rest = b"".join([block async for block in blocks])
    assert b"added meanwhile" not in rest
    assert rest.count(b"\n") > LONG - PIECE


async def test_who_goes_away_holds_no_connection(narrow: Auditor) -> None:
    for _ in range(5):
        async with half_read(narrow):
            pass
        await narrow.add()


async def test_who_is_suspended_meanwhile_gets_no_more(narrow: Auditor) -> None:
    tenant_id = await narrow.tenant_id()
    async with half_read(narrow) as blocks:
        suspended = "update public.tenants set state = 'suspended' where id = %s"
        narrow.admin.execute(suspended, [tenant_id])
        with pytest.raises(httpx.RemoteProtocolError):
            [block async for block in blocks]
