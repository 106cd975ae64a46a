"""One queue under a bare task: how fast, and how soon. Runs with the product's own Python.

Without arguments it starts the servers of development and a worker, and prints measurements as
JSON. `worker` is that worker: this product's own, with a task in addition that only notes the time.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

JOBS = 3_000
TENANTS = 50
PICK_UPS = 200
PAUSE = 0.05
"""Seconds between two single jobs: an idle worker is what they find."""

CONCURRENCY = "10"
TASK = "bench.note"
NOTES = "BENCH_NOTES"
SECONDS = 600.0


def worker() -> None:
    """Run the product's worker with one more task."""
    import msgspec  # type: ignore[import-not-found]  # noqa: PLC0415
    from app import jobs  # type: ignore[import-not-found]  # noqa: PLC0415
    from app import worker as process  # noqa: PLC0415

    notes = Path(os.environ[NOTES]).open("a", buffering=1)  # noqa: SIM115  # for the process's life

    class Note(msgspec.Struct):  # type: ignore[misc]
        number: int

    @jobs.task(TASK, Note)  # type: ignore[untyped-decorator]
    async def note(_: Any, payload: Note) -> None:
        notes.write(f"{payload.number} {time.monotonic()}\n")

    process.main()


def measure() -> dict[str, Any]:
    """The figures of one queue."""
    from app.dev.servers import (  # type: ignore[import-not-found]  # noqa: PLC0415
        Servers,
        configured,
        process_environment,
    )
    from app.dev.state import Processes  # type: ignore[import-not-found]  # noqa: PLC0415

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="copier-saas-queue-")))
        # Root's servers run as another user, who has to reach their files.
        folder.chmod(0o755)
        servers = Servers(folder / "dev", configured(), Processes(folder))
        stack.callback(servers.stop)
        servers.launch()
        connections = servers.connect()
        app = [sys.executable, "-m", "app.cli", "migrate"]
        environment = process_environment(connections.for_operator())
        subprocess.run(app, env=environment, check=True, stdout=sys.stderr)

        notes = folder / "notes"
        notes.touch()
        settings = {NOTES: str(notes), "WORKER_CONCURRENCY": CONCURRENCY, "LOG_LEVEL": "warning"}
        process = subprocess.Popen(
            [sys.executable, __file__, "worker"],
            env=process_environment(connections.for_worker()) | settings,
            stdout=sys.stderr,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        with _connected(connections.admin) as admin:
            _run(admin, notes, first=-1, count=1)  # the worker is up
            cpu = _cpu(process.pid)
            seconds = _run(admin, notes, first=0, count=JOBS)
            cpu = _cpu(process.pid) - cpu
            waits = [_pick_up(admin, notes, JOBS + n) for n in range(PICK_UPS)]
        waits.sort()
        return {
            "server": servers.queue.name if servers.queue else "postgres",
            "jobs_per_second": JOBS / seconds,
            "worker_ms_per_job": cpu * 1000 / JOBS,
            "p50_ms": waits[PICK_UPS // 2] * 1000,
            "p99_ms": waits[PICK_UPS * 99 // 100] * 1000,
        }


def _connected(url: str | None) -> Any:
    import psycopg  # noqa: PLC0415

    if url is None:
        raise SystemExit("this needs the embedded Postgres: unset DATABASE_URL")
    return psycopg.connect(url, autocommit=True)


def _tenant(admin: Any) -> Any:
    """The id of a tenant that is served."""
    return admin.execute(
        "insert into public.tenants (id) values (%s) returning id", (uuid4(),)
    ).fetchone()[0]


def _run(admin: Any, notes: Path, *, first: int, count: int) -> float:
    """Enqueue jobs in one statement; return the seconds until the last one is done."""
    tenants = [_tenant(admin) for _ in range(min(count, TENANTS))]
    began = time.monotonic()
    admin.execute(
        "insert into app.outbox (tenant_id, task, payload)"
        " select (%s::uuid[])[1 + n %% %s], %s, jsonb_build_object('number', n + %s)"
        " from generate_series(0, %s - 1) n",
        (tenants, len(tenants), TASK, first, count),
    )
    while admin.execute("select exists (select from app.outbox)").fetchone()[0]:
        if time.monotonic() - began > SECONDS:
            raise SystemExit(f"{count} jobs were not done after {SECONDS:.0f} seconds")
        time.sleep(0.02)
    ended = time.monotonic()
    done = {int(line.split()[0]) for line in notes.read_text().splitlines()}
    if missing := set(range(first, first + count)) - done:
        raise SystemExit(f"{len(missing)} jobs were never run")
    return ended - began


def _pick_up(admin: Any, notes: Path, number: int) -> float:
    """Seconds from the commit of one job until its task begins."""
    tenant = _tenant(admin)
    time.sleep(PAUSE)
    admin.execute(
        "insert into app.outbox (tenant_id, task, payload)"
        " values (%s, %s, jsonb_build_object('number', %s::integer))",
        (tenant, TASK, number),
    )
    committed = time.monotonic()
    wanted = f"{number} "
    while time.monotonic() - committed < SECONDS:
        for line in notes.read_text().splitlines()[-3:]:
            if line.startswith(wanted):
                return float(line.split()[1]) - committed
        time.sleep(0.002)
    raise SystemExit("a job was never run")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        worker()
    else:
        json.dump(measure(), sys.stdout)
