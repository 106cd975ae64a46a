"""How long a developer waits: for the render, and for `make dev`."""

import shutil
import time
from pathlib import Path

from product import Product, render
from report import Report

ROUNDS = 3


def rendering(product: Product, report: Report) -> None:
    """The whole `copier copy` process, Python's start included."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        copy = render(product.repository.parent, "rendered")
        best = min(best, time.perf_counter() - began)
        files = sum(1 for path in Path(copy).rglob("*") if path.is_file())
        shutil.rmtree(copy)
    report.table(
        "Render",
        ("files", "seconds", "ms per file"),
        [(str(files), f"{best:.2f}", f"{best * 1000 / files:.1f}")],
        f"The whole process, best of {ROUNDS}.",
    )


def cold_and_warm(product: Product, report: Report) -> None:
    """Cold makes database clusters, roles and tables; warm finds them."""
    rows = []
    for web, name in (("none", "the API alone"), ("development", "with the front end")):
        cold = product.start_fresh(web)
        warm = []
        for _ in range(ROUNDS):
            product.stop()
            warm.append(product.start(web))
        rows.append((name, f"{cold:.1f}", f"{min(warm):.1f}"))
    report.table(
        "Start of `make dev`",
        ("", "cold, seconds until ready", "warm"),
        rows,
        f"Cold: no database yet; warm is the best of {ROUNDS}. What `make setup` installs is there"
        " in both. With the front end: until it has shown a page.",
    )
