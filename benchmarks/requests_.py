"""What a request costs: the API's CPU, its rate and latency, beside hello and beside plain SQL."""

import json
from functools import partial
from uuid import uuid4

from load import Build, Timing, drive, request
from product import Product, cpu_seconds
from report import Report
from rows import Tenant, ensure_filled

CONCURRENCY = 4
REQUESTS = 500
ROUNDS = 4

TARGETS_MS = {"list": 1.88, "me": 1.10, "insert": 2.33}
"""CPU: a fifth, a third and a third of what a well-known FastAPI template needs on two cores."""

LABELS = {
    "bare": "FastAPI alone, GET /hello",
    "hello": "GET /hello",
    "me": "GET /me",
    "list": "GET /contacts (100)",
    "insert": "POST /contacts",
}


def measure(product: Product, report: Report) -> None:
    """Several short rounds over all of them in turn; the best of each counts."""
    tenant = ensure_filled(product)
    best: dict[str, Timing] = {}
    with product.measured_api() as (url, pid), product.bare_api() as (bare, bare_pid):
        builds: dict[str, Build] = {
            "bare": lambda _: request(bare, "GET", "/hello"),
            "hello": lambda _: request(url, "GET", "/hello"),
            "me": lambda _: request(url, "GET", "/api/v1/me", tenant.token),
            "list": lambda _: request(url, "GET", "/api/v1/contacts?limit=100", tenant.token),
            "insert": lambda _: request(
                url, "POST", "/api/v1/contacts", tenant.token, _new_contact()
            ),
        }
        for name, build in builds.items():  # connections, caches, compiled statements
            address = bare if name == "bare" else url
            drive(address, build, lambda: 0.0, total=200, concurrency=CONCURRENCY)
        for number in range(ROUNDS):
            report.say(f"requests: round {number + 1} of {ROUNDS}")
            for name, build in builds.items():
                address, served_by = (bare, bare_pid) if name == "bare" else (url, pid)
                cpu = partial(cpu_seconds, served_by)
                timing = drive(address, build, cpu, total=REQUESTS, concurrency=CONCURRENCY)
                best[name] = timing.better(best.get(name))
                if name in TARGETS_MS:
                    plain = _plain_sql(product, tenant, name)
                    best[f"{name}, SQL"] = plain.better(best.get(f"{name}, SQL"))
    _tabulate(report, best)


def _new_contact() -> str:
    email = f"{uuid4().hex}@example.com"
    return json.dumps({"name": "New", "email": email, "company": "Some", "amount": "1.50"})


def _plain_sql(product: Product, tenant: Tenant, statement: str) -> Timing:
    job = {
        "url": product.runtime()["urls"]["app_api"],
        "claims": tenant.claims,
        "user_id": tenant.user_id,
        "organization_id": tenant.organization_id,
        "statement": statement,
        "concurrency": CONCURRENCY,
        "total": REQUESTS,
    }
    settings = product.runtime()["environment"]
    wall, cpu, *latencies = product.run_script("plain_sql.py", job=job, **settings)["round"]
    return Timing.of(latencies, wall, cpu)


def _tabulate(report: Report, best: dict[str, Timing]) -> None:
    hello = best["hello"]
    rows = []
    for name, label in LABELS.items():
        timing = best[name]
        target = TARGETS_MS.get(name)
        sql = best.get(f"{name}, SQL")
        rows.append(
            (
                label,
                f"{timing.cpu_ms:.2f}",
                f"{target:.2f}" if target else "",
                f"{timing.cpu_ms / hello.cpu_ms:.1f}x",
                f"{timing.cpu_ms / sql.cpu_ms:.1f}x" if sql else "",
                f"{timing.per_second:.0f}",
                f"{timing.p50_ms:.1f}",
                f"{timing.p99_ms:.1f}",
            )
        )
        if sql:
            rows.append(
                (
                    "  the same SQL, psycopg",
                    f"{sql.cpu_ms:.2f}",
                    "",
                    "",
                    "1.0x",
                    f"{sql.per_second:.0f}",
                    f"{sql.p50_ms:.1f}",
                    f"{sql.p99_ms:.1f}",
                )
            )
    report.table(
        "Requests",
        ("", "CPU ms", "aim", "x hello", "x SQL", "per second", "p50 ms", "p99 ms"),
        rows,
        "CPU is the API process's, or for plain SQL the client's. FastAPI alone, without any "
        f"middleware, relates this machine to others. {CONCURRENCY} connections; the "
        f"best of {ROUNDS} rounds of {REQUESTS} requests; 1,000,000 contacts of 1,000 "
        "organizations; the insert is under row level security and audited.",
    )
