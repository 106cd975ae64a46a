"""What a tenant costs in each model of tenancy that the template offers."""

import os
from typing import Any

import yaml
from product import ROOT, Product, render
from report import Report

LEVELS = [int(level) for level in os.environ.get("TENANTS", "10,100,1000").split(",")]
"""How many tenants there are, one number after the other."""


def measure(product: Product, report: Report) -> None:
    """Make tenants, migrate all of them further, serve them one after the other."""
    product.stop()
    rows, resumed = [], []
    for model in _offered():
        report.say(f"tenancy: {model}")
        folder = product.repository.parent
        other = Product(render(folder, f"tenancy-{model}", tenancy_model=model), report.say)
        other.set_up()
        for found in _probe(other):
            rows.append(_row(model, found))
            if again := found.get("resumed"):
                resumed.append(
                    (
                        model,
                        f"{found['tenants']:,}",
                        f"{again['done']:,}",
                        f"{again['seconds']:.1f}",
                    )
                )
    report.table(
        "Tenancy",
        (
            *("model", "tenants", "make one, ms", "disk each, kB"),
            *("nothing new, s", "a migration, s", "connection, MB", "kept, MB"),
        ),
        rows,
        "Make one: what `app tenants create` does, without the start of its process; the median. "
        "Disk: of all databases. Nothing new: `app migrate` that finds every tenant up to date; a "
        "migration: the same with one more, which adds a column to a table of every tenant. "
        "Connection: the most memory of its own that Postgres held for an API with a pool of one "
        "connection that served every tenant once. Kept: the same when the API ends no connection, "
        "as it is behind a pooler.",
    )
    report.table(
        "A killed migration",
        ("model", "tenants", "done when killed", "the rest, s"),
        resumed,
        "All processes of `app migrate` killed with SIGKILL in the midst, then run again: it does "
        "only the rest, every tenant comes to the last revision, and nothing is done twice.",
    )


def _offered() -> list[str]:
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    return list(questions["tenancy_model"]["choices"].values())


def _probe(product: Product) -> list[dict[str, Any]]:
    measured: list[dict[str, Any]] = product.run_script("tenancy_probe.py", *map(str, LEVELS))
    return measured


def _row(model: str, found: dict[str, Any]) -> tuple[str, ...]:
    return (
        model,
        f"{found['tenants']:,}",
        f"{found['make_seconds'] * 1000:.0f}",
        f"{found['disk_bytes'] / 1e3:,.0f}",
        f"{found['idle_seconds']:.1f}",
        f"{found['migrate_seconds']:.1f}",
        f"{found['memory_bytes'] / 1e6:.0f}",
        f"{found['kept_memory_bytes'] / 1e6:.0f}",
    )
