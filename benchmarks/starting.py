"""How long a developer waits: for the render, and for `make dev`."""

import shutil
import time

from product import Product, render
from report import Report

import rendering

ROUNDS = 3

COOKIE_MS = 39
"""Milliseconds per file of scientific-python/cookie: 23 files in 0.9 s, the whole process."""


def rendering_files(product: Product, report: Report) -> None:
    """The whole `copier copy` process, Python's start included; the combination of most files."""
    folder = product.repository.parent
    candidates = [each for each in rendering.combinations() if each["frontend"] != "none"]
    report.say(f"counting the files of {len(candidates)} combinations, those with a front end")
    largest, most = candidates[0], 0
    for answers in candidates:
        copy = rendering.render(folder / "template", folder / "counted", answers)
        files = len(rendering.files_of(copy))
        shutil.rmtree(copy)
        if files > most:
            largest, most = answers, files
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        copy = render(folder, "rendered", **largest)
        best = min(best, time.perf_counter() - began)
        shutil.rmtree(copy)
    report.table(
        "Render",
        ("", "files", "seconds", "ms per file", "aim"),
        [
            (
                rendering.name_of(largest),
                str(most),
                f"{best:.2f}",
                f"{best * 1000 / most:.1f}",
                str(COOKIE_MS),
            )
        ],
        f"The combination of most files; the whole process, best of {ROUNDS}. The aim is what"
        " scientific-python/cookie takes.",
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
