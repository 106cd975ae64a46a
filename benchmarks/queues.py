"""Every queue that the template offers, one after the other, each on its servers of development."""

import json
import subprocess
from typing import Any

import yaml
from product import BENCHMARKS, ROOT, Product, environment, render
from report import Report


def measure(product: Product, report: Report) -> None:
    """Jobs per second and pick-up latency of each queue, with one worker."""
    folder = product.repository.parent
    product.stop()
    rows = []
    for backend in _offered():
        report.say(f"queues: {backend}")
        other = Product(render(folder, backend, queue_backend=backend), report.say)
        other.set_up()
        found = _probe(other)
        rows.append(
            (
                backend,
                str(found["server"]),
                f"{found['jobs_per_second']:.0f}",
                f"{found['worker_ms_per_job']:.1f}",
                f"{found['p50_ms']:.0f}",
                f"{found['p99_ms']:.0f}",
            )
        )
    report.table(
        "Queues",
        ("queue", "carried by", "jobs/s", "worker CPU ms/job", "pick-up p50 ms", "p99 ms"),
        rows,
        "3,000 jobs of 50 organizations, whose task only notes the time: one worker process, 10 "
        "jobs at a time, claimed and finished in Postgres, which syncs to disk.",
        "Pick-up is from the commit of one job until its task begins in an idle worker, 200 times.",
    )


def _offered() -> list[str]:
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    return list(questions["queue_backend"]["choices"].values())


def _probe(product: Product) -> dict[str, Any]:
    backend = product.repository / "backend"
    done = subprocess.run(
        [product.python, BENCHMARKS / "queue_probe.py"],
        cwd=backend,
        env=environment(PYTHONPATH=str(backend)),
        check=True,
        stdout=subprocess.PIPE,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
