"""Pages of contacts stay cheap under row level security, however many rows there are.

The plans are those of the very statements that the service runs, as the API's own login.
"""

import json
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import scalar_row
from sqlalchemy import create_engine

from app.choices import tenancy
from app.dev.servers import Connections
from app.features.contacts import service
from tests.choices import tenants
from tests.pooler import log_in

MINE = tenancy.TENANT_COLUMN

TENANTS = 40
CONTACTS = 5_500
"""For each tenant: 220,000 in all."""

MOST_BLOCKS = 2_000
"""Blocks of 8 kB that a page may touch; reading every row of the table would touch over 5,000."""


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database of these tests' own."""
    return new_database()


@pytest.fixture(scope="module")
def member(database: Connections) -> tuple[str, UUID]:
    """Claims of one of many tenants, each with thousands of contacts, and the id of a contact."""
    mark = uuid4().hex[:12]
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True, row_factory=scalar_row) as admin:
        with psycopg.connect(database.admin, autocommit=True) as maker:
            made = [tenants.make(maker, f"{mark}{number}") for number in range(TENANTS)]
        # Nobody reads the trail of these rows, and writing it would take longer than the tests.
        admin.execute("set session_replication_role = replica")
        for home, theirs in groupby(made, key=lambda tenant: tenants.schema_of(tenant.id)):
            admin.execute(
                f"insert into {home}.contacts ({MINE}, name, email)"
                " select t.id, 'Name' || (i * 7919 %% %(count)s), 'mail' || i || '@example.com'"
                " from generate_series(1, %(count)s) i,"
                " unnest(%(tenants)s::uuid[]) t (id)".encode(),
                {"count": CONTACTS, "tenants": [tenant.id for tenant in theirs]},
            )
            admin.execute(f"vacuum (analyze) {home}.contacts".encode())
        home = tenants.schema_of(made[1].id)
        cursor = admin.execute(
            f"select id from {home}.contacts where {MINE} = %s"
            " order by id limit 1 offset %s".encode(),
            [made[1].id, CONTACTS // 2],
        ).fetchone()
        assert isinstance(cursor, UUID)
    return made[1].claims(), cursor


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


CASES: dict[str, dict[str, Any]] = {
    "first page": {},
    "later page": {"cursor": ...},
    "search by name": {"q": "name12"},
    "search by email": {"q": "mail55"},
    "search that finds one": {"q": "mail5500"},
    "search that finds nothing": {"q": "zzz"},
    "search that finds everyone": {"q": "n"},
    "later page of a search": {"cursor": ..., "q": "name1"},
}


@pytest.mark.parametrize("case", CASES)
def test_a_page_uses_an_index(database: Connections, member: tuple[str, UUID], case: str) -> None:
    claims, cursor = member
    wanted = CASES[case]
    statement = service._page(  # noqa: SLF001  # the statement itself is what is tested
        search="q" in wanted, later="cursor" in wanted
    )
    parameters = {"limit": 100, **wanted} | ({"cursor": cursor} if "cursor" in wanted else {})
    compiled = statement.compile(
        dialect=create_engine("postgresql+psycopg://").dialect,
        compile_kwargs={"render_postcompile": True},
    )
    with log_in(database.app_api) as api:
        api.execute(f"select {tenancy.ENTER}(%s, 'plan')", [claims])
        bound = compiled.params | parameters
        page = api.execute(str(compiled).encode(), bound).fetchone()
        explain = f"explain (analyze, buffers, format json) {compiled}"
        explained = api.execute(explain.encode(), bound).fetchone()
    assert page is not None
    assert explained is not None
    plan = explained[0][0]["Plan"]
    nodes = list(_nodes(plan))
    scans = [node for node in nodes if node.get("Relation Name") == "contacts"]
    assert scans
    assert {node["Node Type"] for node in nodes} & {
        "Index Scan",
        "Index Only Scan",
        "Bitmap Index Scan",
    }
    for node in scans:
        assert node["Node Type"] != "Seq Scan", json.dumps(plan, indent=1)
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert blocks < MOST_BLOCKS, json.dumps(plan, indent=1)

    items = json.loads(page[0])["items"]
    expected = {"search that finds one": 1, "search that finds nothing": 0}.get(case)
    assert len(items) == expected if expected is not None else len(items) > 1
