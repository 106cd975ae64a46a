"""The queue on Redis or Valkey, with BullMQ: its data layout, so its dashboards and its Node
clients work too.
"""  # noqa: D205

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import redis.asyncio as redis
import structlog
from bullmq.custom_errors.unrecoverable_error import UnrecoverableError
from bullmq.job import Job as BullJob
from bullmq.queue import Queue as BullQueue
from bullmq.worker import Worker as BullWorker
from pydantic import BaseModel, Field
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from sqlalchemy.ext.asyncio import AsyncEngine

from app.jobs.queue import Accept, Delivery, Refused, Run
from app.jobs.relay import relay

log = structlog.get_logger()

LOCK_DURATION = 3000
"""Milliseconds after which a job belongs to nobody unless its worker renews the lock."""

CLOSING_SECONDS = 2.0
"""For the last word to the server, which may not be there any more."""

OFFER_AGAIN_AFTER = timedelta(seconds=30)
"""BullMQ ignores what it still knows, so this may be short."""

INTAKE_CONCURRENCY = 10
INTAKE_RETRY = 2.0
"""Seconds."""

STALLED_INTERVAL = 2000
"""Milliseconds between two looks for such jobs: a killed worker's job is back within seconds."""


class Settings(BaseModel):
    """Where the queue is."""

    redis_url: str = Field(description="Redis or Valkey, as redis://user:password@host:port/db")
    queue_name: str = "jobs"


class BullMQ:
    """A Queue. Retries and dead letters are kept in the outbox; BullMQ delivers."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.redis_url
        self._name = settings.queue_name
        # Fails within a second, so that the relay can say what is down and ask again.
        self._client: redis.Redis = redis.from_url(
            self._url,
            decode_responses=True,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.1), 2),
        )
        self._queue: Any = BullQueue(self._name, {"connection": self._client})

    async def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries into the queue. The same one a second time changes nothing."""
        await self._queue.addBulk(
            [
                {
                    "name": "job",
                    "data": _data(delivery),
                    "opts": {
                        "jobId": str(delivery),
                        "attempts": 1_000_000,
                        "backoff": {"type": "fixed", "delay": 2000},
                        "removeOnComplete": True,
                        "removeOnFail": {"count": 1000},
                    },
                }
                for delivery in deliveries
            ]
        )

    async def work(self, run: Run, *, concurrency: int, stop: asyncio.Event, drain: float) -> None:
        """Run what is delivered until told to stop, then finish what has begun."""
        idle = asyncio.Event()
        idle.set()
        jobs: set[str] = set()

        async def process(job: BullJob, token: str) -> None:
            jobs.add(token)
            idle.clear()
            try:
                place = job.data.get("place")
                await run(UUID(job.data["id"]), UUID(place) if place else None)
            finally:
                jobs.discard(token)
                if not jobs:
                    idle.set()

        worker = self._worker(self._name, process, concurrency)
        running = asyncio.create_task(worker.run())
        await stop.wait()
        closing = asyncio.create_task(worker.close())
        with suppress(TimeoutError):
            await asyncio.wait_for(idle.wait(), drain)
            await asyncio.wait({closing}, timeout=CLOSING_SECONDS)
        while not closing.done():
            # A job that is cancelled keeps its lock until that runs out; then another worker goes
            # on. More than once, because a client that is trying to reconnect may miss it.
            worker.cancelProcessing()
            await asyncio.wait({closing}, timeout=0.5)
        await running

    def _worker(self, name: str, process: Any, concurrency: int) -> Any:
        options: Any = {
            "connection": self._url,
            "concurrency": concurrency,
            "lockDuration": LOCK_DURATION,
            "stalledInterval": STALLED_INTERVAL,
            # The outbox counts attempts, crashes included; BullMQ would give up after one.
            "maxStalledCount": 1_000_000,
            "runRetryDelay": 1000,
            # Shorter than the client's own socket timeout of 5 seconds: a wait that ran into that
            # would be tried again only after a pause, in which a job waits for nobody.
            "drainDelay": 2,
            "autorun": False,
        }
        worker: Any = BullWorker(name, cast("Any", process), options)
        worker.on("error", lambda error, *_: log.warning("queue.error", error=str(error)))
        return worker

    async def tend(self, engine: AsyncEngine, stop: asyncio.Event) -> None:
        """Relay the outbox to the queue."""
        await relay(engine, self, stop, offer_again_after=OFFER_AGAIN_AFTER)

    @asynccontextmanager
    async def intake(self, accept: Accept) -> AsyncIterator[None]:
        """Take in what other programs, in Node for example, add to the queue "<name>-intake".

        The data of such a job is `{"task": …, "payload": {…}, "token": …}`; its result is the id of
        the job that came of it.
        """

        async def take_in(job: Any, _: str) -> str:
            data = job.data if isinstance(job.data, dict) else {}
            named = str(data.get("token", "")), str(data.get("task", ""))
            while True:
                try:
                    return str(await accept(*named, data.get("payload")))
                except Refused as error:
                    raise UnrecoverableError(str(error)) from error
                except Exception:  # the database is away; the end of the token ends this
                    log.warning("intake.waiting", exc_info=True)
                    await asyncio.sleep(INTAKE_RETRY)
                finally:
                    # A token must not lie about for longer than it is needed.
                    await job.updateData({name: data[name] for name in data if name != "token"})

        worker = self._worker(f"{self._name}-intake", take_in, INTAKE_CONCURRENCY)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            closing = asyncio.create_task(worker.close())
            await asyncio.wait({closing}, timeout=CLOSING_SECONDS)
            worker.cancelProcessing()
            for task in (closing, running):
                task.cancel()
            await asyncio.wait({closing, running}, timeout=CLOSING_SECONDS)

    async def check(self) -> None:
        """Raise if the server cannot be reached."""
        await self._client.ping()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()


def _data(delivery: Delivery) -> dict[str, str]:
    place = {} if delivery.place is None else {"place": str(delivery.place)}
    return {"id": str(delivery.job_id), **place}


def create_queue(settings: Settings) -> BullMQ:
    """The queue of this process."""
    return BullMQ(settings)
