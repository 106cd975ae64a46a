"""What row level security itself costs."""

import json
import time
from typing import Any

import psycopg
from product import Product
from report import Report
from rows import ensure_filled

ROUNDS = 5
QUERIES = 200

_NEWEST = """
    select id, name, email, company, amount, created_at from contacts {mine}
    order by id desc limit 100
"""


def measure(product: Product, report: Report) -> None:
    """The newest 100 contacts of one organization, by turns under the policy and without it."""
    tenant = ensure_filled(product)
    isolated = _NEWEST.format(mine="")
    plain = _NEWEST.format(mine="where org_id = %s")
    bound, free = [], []
    with product.connect("app_api") as app, product.connect("admin") as admin:
        app.execute("begin")
        app.execute("select app.enter(%s, 'benchmark')", (json.dumps(tenant.claims),))
        for _ in range(ROUNDS):
            bound.append(_median_ms(app, isolated, ()))
            free.append(_median_ms(admin, plain, (tenant.organization_id,)))
        app.execute("rollback")
    report.table(
        "Row level security",
        ("", "ms", "ratio"),
        [
            ("as a superuser, WHERE org_id = …", f"{min(free):.3f}", "1.00x"),
            (
                "as app_api, the policy alone",
                f"{min(bound):.3f}",
                f"{min(bound) / min(free):.2f}x",
            ),
        ],
        "The newest 100 of 1,000 rows of one organization, among 1,000,000 of 1,000; the "
        f"membership is proven anew by every statement. Best median of {ROUNDS} rounds of "
        f"{QUERIES}, rows fetched.",
    )


def _median_ms(connection: psycopg.Connection, query: str, parameters: tuple[Any, ...]) -> float:
    taken = []
    for _ in range(QUERIES):
        began = time.perf_counter()
        connection.execute(query.encode(), parameters).fetchall()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[QUERIES // 2] * 1000
