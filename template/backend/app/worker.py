"""Runs jobs: relays the outbox to the queue, works off the queue, keeps the house in order."""

import asyncio
import signal

import structlog
from prometheus_client import start_http_server
from sqlalchemy.ext.asyncio import AsyncEngine

import app.features.imports.tasks  # noqa: F401  # declares its tasks
from app import logs
from app.choices import channel, queue
from app.database import create_engine, refuse_unsafe_login
from app.jobs.outbox import relay
from app.jobs.runner import Runner
from app.settings import Settings, get_settings

log = structlog.get_logger()

HOUSEKEEPING_INTERVAL = 3600.0
"""Seconds between two rounds of housekeeping. Each step may run in any number of workers."""


async def work(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, then finish the jobs that have begun."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)

    engine = create_engine(settings, application_name="worker")
    await refuse_unsafe_login(engine)
    jobs = queue.create_queue(settings)
    events = channel.create_channel(settings)
    if settings.worker_metrics_port is not None:
        start_http_server(settings.worker_metrics_port, "127.0.0.1")
    log.info("worker.started", concurrency=settings.worker_concurrency)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(relay(engine, jobs, stop))
            group.create_task(_keep_house(engine, stop))
            group.create_task(
                jobs.work(
                    Runner(engine, events),
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


async def _keep_house(engine: AsyncEngine, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with engine.connect() as session:
                await session.exec_driver_sql("select audit.ensure_partitions()")
                await session.exec_driver_sql("select app.purge_tickets()")
        except Exception:  # comes round again, and must not stop the jobs
            log.warning("housekeeping.failed", exc_info=True)
        try:
            await asyncio.wait_for(stop.wait(), HOUSEKEEPING_INTERVAL)
        except TimeoutError:
            continue


def main() -> None:
    """Run a worker process."""
    settings = get_settings()
    logs.configure(level=settings.log_level, readable=settings.environment == "development")
    asyncio.run(work(settings))
