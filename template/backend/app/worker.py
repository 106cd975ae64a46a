"""Runs jobs: brings them to the queue, works off the queue, follows the clock."""

import asyncio
import gc
import signal
import sys
from importlib import import_module

import structlog
from prometheus_client import start_http_server

import app.features.imports.tasks
import app.jobs.housekeeping  # noqa: F401  # declare their tasks
from app import logs
from app.choices import channel, managing, queue, tenancy
from app.database import refuse_unsafe_login
from app.jobs import schedules
from app.jobs.leases import Leases
from app.jobs.runner import Runner
from app.settings import Settings, get_settings
from app.storage import Storage

log = structlog.get_logger()

_SWITCH_SECONDS = 0.001
"""How long a thread that reads a file may keep the event loop waiting: Python's own 5 ms would pass
with each answer of the database, whose connection is idle meanwhile."""

for _module in managing.TASKS:
    import_module(_module)  # declares tasks as well


async def work(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then finish the jobs that have begun."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)

    engine = tenancy.create_engine(settings, application_name="worker")
    await refuse_unsafe_login(engine)
    jobs = queue.create_queue(settings)
    events = channel.create_channel(settings)
    leases = Leases(engine)
    if settings.worker_metrics_port is not None:
        start_http_server(settings.worker_metrics_port, "127.0.0.1")
    log.info("worker.started", concurrency=settings.worker_concurrency)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(leases.keep(stop))
            group.create_task(jobs.tend(engine, stop))
            group.create_task(schedules.follow(engine, stop))
            group.create_task(
                jobs.work(
                    Runner(engine, events, leases, Storage(settings.storage_url)),
                    concurrency=settings.worker_concurrency,
                    stop=stop,
                    drain=settings.worker_drain_seconds,
                )
            )
    finally:
        await events.close()
        await jobs.close()
        await engine.dispose()
        log.info("worker.stopped")


def main() -> None:
    """Run a worker process."""
    settings = get_settings()
    logs.configure(level=settings.log_level, readable=settings.environment == "development")
    # What is loaded by now stays: a job that makes many objects need not have it looked through.
    gc.freeze()
    sys.setswitchinterval(_SWITCH_SECONDS)
    asyncio.run(work(settings))
