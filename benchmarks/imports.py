"""A CSV through the API, the queue and the worker, against COPY of the same file."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from product import Product, memory_peak_mb
from report import Report

SIZES = (100_000, 1_000_000)
TIMEOUT_SECONDS = 600.0
AIM_RATIO = 12.0
AIM_MB = 120.0

_BLOCK = 1024 * 1024


def measure(product: Product, report: Report) -> None:
    """On an empty database, and with one worker that grows old."""
    product.start_fresh()
    worker = product.runtime()["pids"]["worker"]
    idle = memory_peak_mb(worker)
    rows = []
    for size in SIZES:
        report.say(f"import: {size:,} rows")
        file = product.repository.parent / f"{size}.csv"
        file.write_text("".join(_lines(size)))
        copied = min(_raw_copy(product, file) for _ in range(3))
        done = _import(product, file, f"bench{size}")
        if (done["rows_done"], done["rows_rejected"]) != (size, 0):
            raise RuntimeError(f"not every row was imported: {done}")
        rows.append(
            (
                f"{size:,}",
                f"{file.stat().st_size / 1e6:.0f}",
                f"{copied:.2f}",
                f"{done['seconds']:.1f}",
                f"{done['seconds'] / copied:.1f}x",
                f"{AIM_RATIO:.0f}x",
                f"{size / done['seconds']:,.0f}",
                f"{memory_peak_mb(worker):.0f}",
                f"{AIM_MB:.0f}",
            )
        )
        file.unlink()
    report.table(
        "Import",
        ("rows", "MB", "COPY s", "import s", "ratio", "aim", "rows/s", "worker MB", "aim"),
        rows,
        "COPY: the file into a table without keys, index, policy or trigger, best of three. "
        "Import: from the answer 202 until it has succeeded; under row level security, three "
        "indexes, every row audited. "
        f"Worker: the most memory it ever held ({idle:.0f} MB before the first import).",
    )


def _lines(size: int) -> Iterator[str]:
    yield "name,email,company,amount\n"
    for n in range(size):
        company = n % 5000
        email = f"person-{n}@company-{company}.example.com"
        yield f"Person Number {n},{email},Company {company},{n % 100000}.{n % 100:02}\n"


def _raw_copy(product: Product, file: Path) -> float:
    with product.connect() as connection:
        connection.execute("drop table if exists bare")
        connection.execute(
            "create table bare (name text, email text, company text, amount numeric)"
        )
        began = time.perf_counter()
        with (
            file.open("rb") as source,
            connection.cursor().copy("copy bare from stdin (format csv, header)") as copy,
        ):
            while block := source.read(_BLOCK):
                copy.write(block)
        seconds = time.perf_counter() - began
        connection.execute("drop table bare")
    return seconds


def _import(product: Product, file: Path, org: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {product.token('u1', org)}"}
    with httpx.Client(
        base_url=f"{product.api}/api/v1", headers=headers, trust_env=False, timeout=120.0
    ) as http:
        with file.open("rb") as content:
            answer = http.post("/imports", files={"file": (file.name, content, "text/csv")})
        answer.raise_for_status()
        began = time.perf_counter()
        while time.perf_counter() - began < TIMEOUT_SECONDS:
            state: dict[str, Any] = (
                http.get(f"/imports/{answer.json()['id']}").raise_for_status().json()
            )
            if state["status"] in {"succeeded", "failed"}:
                return state | {"seconds": time.perf_counter() - began}
            time.sleep(0.1)
    raise RuntimeError(f"the import has not ended: {state}")
