"""The queue in Postgres, with procrastinate: a job's delivery commits together with the job."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

import psycopg
import structlog
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import ConnectorException
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import is_connection_lost, psycopg_url
from app.jobs.queue import Accept, Run
from app.jobs.waiting import pause
from app.logins import connection_class

log = structlog.get_logger()

SCHEMA = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
"""The last of procrastinate's own migrations that this repository's migrations contain."""

QUEUE = "jobs"
TASK = "deliver"
"""As the triggers on app.outbox name them."""

POLL_INTERVAL = 0.5
"""Seconds between two looks for deliveries that became due, or that nobody was notified of."""

RETRY_INTERVAL = 1
REDELIVERY_SECONDS = 2
BEAT = 2.0
LEASE = timedelta(seconds=8)
"""How long a worker may be silent before its deliveries are given to others."""

FORGOTTEN = timedelta(hours=1)
"""After which a silent worker is struck off. Not sooner: one that was cut off may come back."""

LISTENER_SILENCE = 5.0
"""Seconds without a notification before the server is asked whether it is still there."""

MAX_CONNECTIONS = 4

NEVER = 365 * 86400.0
"""Seconds. Nobody asks procrastinate to abort a job: cancelling is the outbox's business."""

CLOSING_SECONDS = 2.0
"""Beyond its drain, after which a worker that has not ended has not heard that it should."""

_RECOVER = text("select app.recover_deliveries(:lease)")
_STRIKE_OFF = text("""
    select procrastinate.procrastinate_prune_stalled_workers_v1(:seconds)
""")
_DELIVERS = """
    select count(*) from pg_catalog.pg_trigger
    where tgrelid = 'app.outbox'::regclass
      and tgname in ('deliver_after_insert', 'deliver_after_change') and tgenabled <> 'D'
"""
_TRIGGERS = 2

T = TypeVar("T")


class Settings(BaseModel):
    """It needs none: the queue is in the database."""


class HasDatabaseUrls(Protocol):
    """The settings that this queue needs."""

    database_url: SecretStr
    listen_database_url: SecretStr | None
    database_next_password: SecretStr | None


class Procrastinate:
    """A Queue. Retries and dead letters are kept in the outbox; procrastinate delivers."""

    def __init__(
        self,
        database_url: str,
        listen_url: str,
        kind: type[psycopg.AsyncConnection[Any]] = psycopg.AsyncConnection,
    ) -> None:
        self._connector = _Connector(database_url, listen_url, kind)

    async def work(self, run: Run, *, concurrency: int, stop: asyncio.Event, drain: float) -> None:
        """Run what is delivered until told to stop, then finish what has begun."""
        await self._connector.begin()
        app = App(connector=self._connector)

        @app.task(queue=QUEUE, name=TASK, retry=RetryStrategy(wait=REDELIVERY_SECONDS))
        async def deliver(job_id: str, delivery: int) -> None:
            del delivery
            await run(UUID(job_id))

        told = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                worker = asyncio.create_task(
                    app.run_worker_async(
                        queues=[QUEUE],
                        concurrency=concurrency,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        listen_notify=True,
                        fetch_job_polling_interval=POLL_INTERVAL,
                        abort_job_polling_interval=NEVER,
                        shutdown_graceful_timeout=drain,
                        update_heartbeat_interval=BEAT,
                        stalled_worker_timeout=FORGOTTEN.total_seconds(),
                    )
                )
                try:
                    await asyncio.wait({worker, told}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self._connector.is_patient = not stop.is_set()
                    await _end(worker, drain)
                    self._connector.is_patient = True
                await pause(stop, RETRY_INTERVAL)
        finally:
            told.cancel()

    async def tend(self, engine: AsyncEngine, stop: asyncio.Event) -> None:
        """Bring back deliveries that a worker took and did not live to run."""
        is_away = False
        while not stop.is_set():
            try:
                async with engine.connect() as session:
                    lost = await session.scalar(_RECOVER, {"lease": LEASE})
                    await session.execute(_STRIKE_OFF, {"seconds": FORGOTTEN.total_seconds()})
                if lost:
                    log.warning("queue.recovered", deliveries=lost)
                is_away = False
            except Exception:  # it outlives whatever is down, and says so
                log.warning("queue.waiting", exc_info=not is_away)
                is_away = True
            await pause(stop, BEAT)

    def intake(self, accept: Accept) -> AbstractAsyncContextManager[None]:
        """Nothing: other programs have no way into this queue but the API."""
        del accept
        return nullcontext()

    async def check(self) -> None:
        """Raise if the database cannot be reached, or would not deliver a job."""
        await self._connector.begin()
        # A server that was restarted is there again, whatever the connections of before say.
        await self._connector.pool.check()
        try:
            triggers = await self._triggers()
        except psycopg.OperationalError:
            # One that was being opened before came into the pool just now.
            triggers = await self._triggers()
        if triggers != _TRIGGERS:
            raise RuntimeError("app.outbox has lost its triggers that deliver jobs: `app migrate`")

    async def _triggers(self) -> int:
        async with self._connector.pool.connection() as connection:
            found = await (await connection.execute(_DELIVERS)).fetchone()
        return 0 if found is None else int(found[0])

    async def close(self) -> None:
        """Let go of every connection."""
        await self._connector.end()


class _Connector(PsycopgConnector):
    """Goes on where a connection broke: procrastinate's worker would end, and its jobs with it."""

    def __init__(self, url: str, listen_url: str, kind: type[psycopg.AsyncConnection[Any]]) -> None:
        super().__init__()
        self._kind = kind
        self.is_patient = True
        self._listen_url = listen_url
        self._is_away = False
        self._is_open = False
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            connection_class=kind,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=5,
            open=False,
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "connect_timeout": 5,
                "application_name": "queue",
            },
        )

    async def begin(self) -> None:
        """Begin to connect, without waiting for a server that may be away."""
        if not self._is_open:
            self._is_open = True
            await self._pool.open(wait=False)
            await self.open_async(self._pool)

    async def end(self) -> None:
        """Let go of every connection."""
        if self._is_open:
            await self._pool.close()

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        """Like the original, for as long as it takes."""
        await self._insist(lambda: super(_Connector, self).execute_query_async(query, **arguments))

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        """Like the original, for as long as it takes."""
        return await self._insist(
            lambda: super(_Connector, self).execute_query_one_async(query, **arguments)
        )

    async def execute_query_all_async(self, query: Any, **arguments: Any) -> list[dict[str, Any]]:
        """Like the original, for as long as it takes."""
        return await self._insist(
            lambda: super(_Connector, self).execute_query_all_async(query, **arguments)
        )

    async def _insist(self, execute: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                answer = await execute()
            except ConnectorException as error:
                if not self.is_patient or not is_connection_lost(error.__cause__ or error):
                    raise
                if not self._is_away:
                    log.warning("queue.away", error=str(error.__cause__))
                self._is_away = True
                await asyncio.sleep(RETRY_INTERVAL)
            else:
                if self._is_away:
                    log.info("queue.back")
                self._is_away = False
                return answer

    async def listen_notify(self, on_notification: Any, channels: Iterable[str]) -> None:
        """Hear of deliveries at once. Without it they are found by polling."""
        is_deaf = False
        while True:
            try:
                async with await self._kind.connect(
                    self._listen_url,
                    autocommit=True,
                    prepare_threshold=None,
                    connect_timeout=5,
                    application_name="queue",
                ) as connection:
                    for channel in channels:
                        await connection.execute(
                            sql.SQL("listen {}").format(sql.Identifier(channel))
                        )
                    is_deaf = False
                    while True:
                        async for heard in connection.notifies(timeout=LISTENER_SILENCE):
                            await on_notification(channel=heard.channel, payload=heard.payload)
                        await connection.execute("select 1")
            except (psycopg.Error, OSError) as error:
                if not is_deaf:
                    log.warning("queue.deaf", error=str(error))
                is_deaf = True
                await asyncio.sleep(RETRY_INTERVAL)


async def _end(worker: asyncio.Task[None], drain: float) -> None:
    """Let procrastinate finish; it waits for the jobs that have begun."""
    while not worker.done():
        # A worker that is only just connecting may lose the first one on Python 3.11
        # (https://github.com/python/cpython/issues/86296). The next one waits until the drain is
        # over, which it would cut short.
        worker.cancel()
        await asyncio.wait({worker}, timeout=drain + CLOSING_SECONDS)
    with suppress(asyncio.CancelledError):
        try:
            await worker
        except Exception:  # whatever it was, the next one begins anew
            log.warning("queue.error", exc_info=True)


def create_queue(settings: HasDatabaseUrls) -> Procrastinate:
    """The queue of this process.

    Raises:
        SystemExit: the installed procrastinate wants more of the database than there is.
    """
    # It says what each job is given to and when, which the runner's own log says better.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    known = Path(SchemaManager.get_migrations_path()).glob("*.sql")
    later = sorted(file.name for file in known if file.name > SCHEMA)
    if later:
        raise SystemExit(
            f"procrastinate's schema has changed: {', '.join(later)}. Put what these files of its "
            "package do into migrations/sql/answers/queue_procrastinate.sql, below the copy of its "
            "schema and so that it bears to run again, and set SCHEMA in app/jobs/procrastinate.py "
            "to the last of them."
        )
    direct = settings.listen_database_url or settings.database_url
    return Procrastinate(
        psycopg_url(settings.database_url.get_secret_value()),
        psycopg_url(direct.get_secret_value()),
        connection_class(settings.database_next_password),
    )
