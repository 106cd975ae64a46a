"""Whether row level security costs more as the table grows."""

import itertools
import json
import shutil
import statistics
import time
from typing import Any

import psycopg
from product import Product
from report import Report

SIZES = (1_000_000, 10_000_000)
ROWS_OF_A_TENANT = 1_000
SAMPLE = 50
"""So many tenants, spread over all of them, are asked for by turns."""

ROUNDS = 5
QUERIES = 200

PAGE = 100

_TENANTS = """
    with found as (
        insert into organizations (external_id, slug, name)
        select 'org_' || n, 'org-' || n, 'Org ' || n
        from generate_series(%(first)s::integer, %(last)s) n
        returning id, external_id
    ), people as (
        insert into users (subject)
        select 'user_' || n from generate_series(%(first)s::integer, %(last)s) n
        returning id, subject
    )
    insert into memberships (org_id, user_id, role, role_as_of)
    select o.id, u.id, 'admin', 'epoch'
    from found o join people u on substr(u.subject, 6) = substr(o.external_id, 5)
"""

# A tenant's rows lie far from each other, as if all tenants had written at the same time.
_CONTACTS = """
    insert into contacts (id, org_id, name, email, company, amount)
    select app.uuid_v7(), o.id, 'Name ' || r, 'person-' || r || '@example.com',
           'Company ' || r %% 5000, r * 100 + 0.25
    from generate_series(1, %(rows)s::integer) r
    cross join organizations o
    where substr(o.external_id, 5)::integer between %(first)s and %(last)s
    order by r
"""

# Where the service's statement reads its table, and where the same reads one tenant's rows of it.
_FROM = "FROM contacts ORDER BY"
_FROM_MINE = "FROM contacts WHERE contacts.org_id = %(org)s ORDER BY"


def measure(product: Product, report: Report) -> None:
    """The service's own page of contacts, by turns under the policy and without it, as it grows."""
    product.start_fresh()
    rows = []
    try:
        with product.connect() as admin, product.connect("app_api") as app:
            # As the product does, so that each run is planned for its tenant.
            admin.prepare_threshold = app.prepare_threshold = None
            made = 0
            for size in SIZES:
                report.say(f"growth: filling {size:,} contacts")
                _fill(admin, made + 1, size // ROWS_OF_A_TENANT)
                made = size // ROWS_OF_A_TENANT
                query, parameters = _page(product, admin)
                bound, free = _compare(admin, app, made, query, parameters)
                rows += [
                    (f"{size:,}, as a superuser, WHERE org_id = …", f"{free:.3f}", "1.00x"),
                    (
                        f"{size:,}, as app_api, the policy alone",
                        f"{bound:.3f}",
                        f"{bound / free:.2f}x",
                    ),
                ]
    finally:
        # Gigabytes that no other part asks for.
        product.stop()
        shutil.rmtree(product.repository / ".dev", ignore_errors=True)
    report.table(
        "Row level security as the table grows",
        ("rows", "ms", "ratio"),
        rows,
        f"The statement of `GET /contacts` for 100 of {ROWS_OF_A_TENANT:,} rows, for {SAMPLE} "
        "tenants by turns, spread over all. Both set the tenant's context before, outside of the "
        "time; it does not bind the superuser. "
        f"Best median of {ROUNDS} rounds of {QUERIES}.",
    )


def _fill(admin: psycopg.Connection, first: int, last: int) -> None:
    numbers = {"first": first, "last": last, "rows": ROWS_OF_A_TENANT}
    admin.execute(_TENANTS, numbers)
    # Nobody asks for these rows' audit records, and they would take most of the time.
    admin.execute("set session_replication_role = replica")
    for begin in range(first, last + 1, 1000):
        batch = {"first": begin, "last": min(begin + 999, last)}
        admin.execute(_CONTACTS, numbers | batch)
    admin.execute("reset session_replication_role")
    admin.execute("vacuum analyze")
    admin.execute("checkpoint")


def _page(product: Product, admin: psycopg.Connection) -> tuple[str, dict[str, Any]]:
    """What the driver is given when the service lists contacts."""
    someone = admin.execute(
        "select m.user_id::text, m.org_id::text from memberships m"
        " join organizations o on o.id = m.org_id where o.external_id = 'org_1'"
    ).fetchone()
    if someone is None:
        raise RuntimeError("there are no tenants")
    job = {
        "url": product.runtime()["urls"]["app_api"],
        "claims": _claims(1),
        "user_id": someone[0],
        "organization_id": someone[1],
        "statement": "list",
    }
    settings = product.runtime()["environment"]
    query, parameters = product.run_script("plain_sql.py", "show", job=job, **settings)
    return query, parameters


def _compare(
    admin: psycopg.Connection,
    app: psycopg.Connection,
    tenants: int,
    query: str,
    parameters: dict[str, Any],
) -> tuple[float, float]:
    """The best medians in ms: under the policy, and without it."""
    flat = " ".join(query.split())
    if flat.count(_FROM) != 1:
        raise RuntimeError(f"the service's statement is not as expected: {flat}")
    plain = flat.replace(_FROM, _FROM_MINE)
    sample = range(1, tenants + 1, tenants // SAMPLE)
    found = admin.execute("select external_id, id from organizations").fetchall()
    ids: dict[str, Any] = dict(found)
    bound, free = [], []
    for _ in range(ROUNDS):
        under: list[float] = []
        without: list[float] = []
        for turn, n in enumerate(itertools.islice(itertools.cycle(sample), QUERIES)):
            asked = [
                (app, flat, parameters, under),
                (admin, plain, parameters | {"org": ids[f"org_{n}"]}, without),
            ]
            # Who comes second finds the tenant's pages in memory: they take turns in that, too.
            for connection, text, values, taken in asked if turn % 2 else reversed(asked):
                connection.execute("begin")
                connection.execute("select app.enter(%s, 'benchmark')", (json.dumps(_claims(n)),))
                taken.append(_seconds(connection, text, values))
                connection.execute("rollback")
        bound.append(statistics.median(under) * 1000)
        free.append(statistics.median(without) * 1000)
    return min(bound), min(free)


def _seconds(connection: psycopg.Connection, query: str, parameters: dict[str, Any]) -> float:
    began = time.perf_counter()
    row = connection.execute(query.encode(), parameters).fetchone()
    taken = time.perf_counter() - began
    if row is None or len(json.loads(row[0])["items"]) != PAGE:
        raise RuntimeError("a tenant has not found its contacts")
    return taken


def _claims(n: int) -> dict[str, Any]:
    return {"sub": f"user_{n}", "org_id": f"org_{n}", "org_role": "admin", "iat": 0}
