"""Whether requests wait while a table of a million rows is migrated under them."""

import itertools
import threading
import time
from typing import Any, Self

import httpx
from product import Product
from report import Report
from rows import ROWS, ensure_filled

WRITERS = 8
QUIET_SECONDS = 10.0

STEPS: list[tuple[str, str, list[Any]]] = [
    ("ADD COLUMN", "sql", ["alter table contacts add column bench text"]),
    (
        "ADD COLUMN … DEFAULT 0",
        "sql",
        ["alter table contacts add column bench_rank integer not null default 0"],
    ),
    ("an index, with add_index", "index", ["contacts_bench", "contacts (org_id, company)"]),
    (
        "one row in ten, with backfill",
        "backfill",
        ["contacts", "bench = company", "bench is null and amount < 100"],
    ),
]
CLEAN_UP = [
    "drop index if exists contacts_bench",
    "alter table contacts drop column if exists bench, drop column if exists bench_rank",
]


class Writers:
    """Clients who add contacts all the time, over HTTP, and note how long each answer took."""

    def __init__(self, api: str, token: str) -> None:
        self._api, self._token = api, token
        self._numbers = itertools.count()
        self._answers: list[tuple[float, int]] = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(WRITERS)]

    def __enter__(self) -> Self:
        """Begin to write."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def take(self) -> list[tuple[float, int]]:
        """What was answered since the last time: seconds and status."""
        found, self._answers = self._answers, []
        return found

    def _work(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._api, headers=headers, timeout=60, trust_env=False) as http:
            while not self._is_over.is_set():
                email = f"bench-{time.time_ns()}-{next(self._numbers)}@example.com"
                began = time.perf_counter()
                # By then a release writes new rows as they are to be: backfill finds none of them.
                contact = {"name": "Bench", "email": email, "amount": "100"}
                answer = http.post("/api/v1/contacts", json=contact)
                self._answers.append((time.perf_counter() - began, answer.status_code))


def measure(product: Product, report: Report) -> None:
    """Answers to POST /contacts while nothing happens, and in each step of a migration."""
    tenant = ensure_filled(product)
    urls = product.runtime()["urls"]
    rows = []
    try:
        with product.measured_api() as (api, _), Writers(api, tenant.token) as writers:
            time.sleep(QUIET_SECONDS)
            rows.append(_row("nothing", QUIET_SECONDS, writers.take()))
            for title, kind, arguments in STEPS:
                report.say(f"online: {title}")
                job = {"url": urls["migrator"], "steps": [(kind, arguments)]}
                (took,) = product.run_script("online_probe.py", job=job)
                rows.append(_row(title, took, writers.take()))
    finally:
        with product.connect() as admin:
            for statement in CLEAN_UP:
                admin.execute(statement.encode())
            admin.execute("delete from contacts where name = 'Bench'")
    report.table(
        f"Migrations of {ROWS:,} rows under load",
        ("while", "took s", "answers", "p50 ms", "p99 ms", "longest ms", "not 201"),
        rows,
        f"{WRITERS} clients POST contacts to one API process all the time. A request's own limits "
        "are 5 s for a lock and 30 s for a statement; a migration waits 2 s for a lock.",
    )


def _row(title: str, took: float, answers: list[tuple[float, int]]) -> tuple[str, ...]:
    times = sorted(seconds * 1000 for seconds, _ in answers) or [0.0]
    return (
        title,
        f"{took:.1f}",
        str(len(answers)),
        f"{times[len(times) // 2]:.0f}",
        f"{times[int(len(times) * 0.99)]:.0f}",
        f"{times[-1]:.0f}",
        str(sum(status != 201 for _, status in answers)),  # noqa: PLR2004
    )
