"""Measure a freshly generated repository, part by part, and compare within the same run.

Everything runs on this machine: the template's default answers are rendered into a temporary
folder and set up with `make setup`; its own `make dev` starts Postgres, Valkey, the API and a
worker. Absolute figures are this machine's; the ratios are what can be compared.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import growth
import imports
import online
import queues
import requests_
import rls
import starting
import tenancy
import trips
import web
from product import Product, render
from report import Report

PARTS: dict[str, tuple[str, Callable[[Product, Report], None]]] = {
    "render": ("how long Copier takes per file", starting.rendering_files),
    "start": ("`make dev` until it is ready, cold and warm", starting.cold_and_warm),
    "import": ("a CSV of 1,000,000 rows against raw COPY; the worker's memory", imports.measure),
    "requests": ("me, list, insert: CPU, rate, latency; hello and plain SQL", requests_.measure),
    "trips": ("round trips between the API and Postgres per request", trips.measure),
    "rls": ("a list under row level security against the same query without", rls.measure),
    "growth": ("the same list of contacts at 1,000,000 and 10,000,000 rows", growth.measure),
    "online": ("a table of 1,000,000 rows migrated while it is written to", online.measure),
    "tenancy": (
        "each model of tenancy: tenants made, migrated, served (TENANTS=10,100,1000)",
        tenancy.measure,
    ),
    "web": ("public pages: first byte from Next and from nginx; JavaScript per page", web.measure),
    "lighthouse": ("public pages: Lighthouse's four scores on a simulated phone", web.audit),
    "queues": ("each queue: jobs per second, pick-up latency", queues.measure),
}

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the chosen parts; print the tables of each and keep them in its file of results."""
    names = "\n".join(f"  {name:10}{what}" for name, (what, _) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        epilog=(
            f"parts:\n{names}\n\n"
            "examples:\n"
            "  make bench\n"
            "  make bench ONLY=import\n"
            "  make bench ONLY=requests,trips\n\n"
            "Each part replaces its own file, benchmarks/results/PART.md."
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        default=os.environ.get("ONLY", ""),
        metavar="PART[,PART…]",
        help="run these parts (default: ONLY, else all)",
    )
    chosen = [name.strip() for name in parser.parse_args().only.split(",") if name.strip()]
    if unknown := set(chosen) - PARTS.keys():
        parser.error(f"no part is named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not sys.platform.startswith("linux"):
        parser.error("CPU and memory of other processes are read from Linux's /proc")

    report = Report()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="copier-saas-bench-") as scratch:
        # Root's servers run as another user, who has to reach their files.
        Path(scratch).chmod(0o755)
        report.say("rendering and setting up the default answers")
        product = Product(render(Path(scratch), "acme"), report.say)
        product.set_up()
        report.describe(product)
        try:
            for name, (what, run) in PARTS.items():
                if chosen and name not in chosen:
                    continue
                report.say(f"{name}: {what}")
                report.begin(name)
                run(product, report)
                (RESULTS / f"{name}.md").write_text(report.text())
                print(f"\n{report.text()}", flush=True)
        finally:
            product.stop()
    report.say(f"done in {time.monotonic() - began:.0f} s; kept in {RESULTS}")


if __name__ == "__main__":
    main()
