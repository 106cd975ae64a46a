"""The queue on RabbitMQ, with Celery: a quorum queue, so its messages are on several disks.

Celery is made of threads; the application is not. Each thread of Celery's pool stands for one
delivery, and waits while the application runs it.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

import structlog
from celery import Celery
from celery.exceptions import Reject
from celery.worker import state
from kombu.entity import Exchange
from kombu.entity import Queue as KombuQueue
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from app.jobs.queue import Accept, Delivery, Run
from app.jobs.relay import relay

log = structlog.get_logger()

TASK = "deliver"

REDELIVERY_SECONDS = 2

OFFER_AGAIN_AFTER = timedelta(minutes=2)
"""The broker does not know what it had already, so not while a job may only be waiting its turn."""

PATIENCE = 4.0
"""Seconds for the broker to take a connection, or to confirm a message."""

VISIBILITY_SECONDS = 60
"""In development on Valkey: when a message comes back that a worker took and never confirmed."""

HEARTBEAT_SECONDS = 10
"""A broker that says nothing for two of these is taken for dead."""

ENDING_SECONDS = 10.0
"""For Celery to let go of a broker that may not be there any more."""


class Settings(BaseModel):
    """Where the queue is."""

    broker_url: str = Field(description="RabbitMQ, as amqps://user:password@host:port/vhost")
    queue_name: str = "jobs"


class CeleryQueue:
    """A Queue. Retries and dead letters are kept in the outbox; Celery delivers."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.queue_name
        self._is_rabbitmq = _is_rabbitmq(settings.broker_url)
        self._app = _configured(settings)
        self._publishing = threading.Lock()
        self._producer: Any = None

    async def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries into the queue; the broker has confirmed each when this returns."""
        messages = [(str(delivery.job_id), str(delivery)) for delivery in deliveries]
        await asyncio.to_thread(self._publish, messages)

    def _publish(self, messages: Sequence[tuple[str, str]], *, after: int | None = None) -> None:
        """Put (job id, message id) into the queue, or have the broker do it after some seconds."""
        with self._publishing:
            try:
                if self._producer is None:
                    self._producer = self._app.amqp.Producer(self._connect())
                for job_id, message_id in messages:
                    self._app.send_task(
                        TASK,
                        (job_id,),
                        task_id=message_id,
                        producer=self._producer,
                        countdown=after,
                        retry=False,
                        confirm_timeout=PATIENCE,
                    )
            except BaseException:
                self._disconnect()
                raise

    def _connect(self) -> Any:
        # Only here: Celery waits without end for confirmations of its events.
        options = {"confirm_publish": True} if self._is_rabbitmq else {}
        connection = self._app.connection_for_write(transport_options=options)
        connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=PATIENCE)
        return connection

    def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(Exception):  # it is broken already
                producer.connection.collect()

    async def work(self, run: Run, *, concurrency: int, stop: asyncio.Event, drain: float) -> None:
        """Run what is delivered until told to stop, then finish what has begun."""
        crew = _Crew(run, asyncio.get_running_loop(), self._again)

        def deliver(task: Any, job_id: str) -> None:
            crew.deliver(task, job_id)

        self._app.tasks.pop(TASK, None)
        self._app.task(name=TASK, bind=True, max_retries=None)(deliver)
        self._app.finalize()
        controller = self._app.WorkController(
            pool="threads",
            concurrency=concurrency,
            hostname=f"worker-{uuid4().hex[:12]}@localhost",
            queues=[self._name],
            without_gossip=True,
            without_mingle=True,
            task_events=True,
        )
        state.should_stop = None
        celery = threading.Thread(target=controller.start, name="celery", daemon=True)
        celery.start()
        try:
            await stop.wait()
            crew.close()
            with suppress(AttributeError):  # it has not reached the broker yet
                consumer = controller.consumer
                consumer.call_soon(partial(consumer.cancel_task_queue, self._name))
            await crew.finish(drain)
        finally:
            # Celery's own way to end the one worker of a process.
            state.should_stop = 0
            await asyncio.to_thread(celery.join, ENDING_SECONDS)
            if celery.is_alive():
                log.warning("queue.does_not_end")

    def _again(self, job_id: str, message_id: str) -> None:
        self._publish([(job_id, message_id)], after=REDELIVERY_SECONDS)

    async def tend(self, engine: AsyncEngine, stop: asyncio.Event) -> None:
        """Relay the outbox to the queue."""
        await relay(engine, self, stop, offer_again_after=OFFER_AGAIN_AFTER)

    def intake(self, accept: Accept) -> AbstractAsyncContextManager[None]:
        """Nothing: other programs have no way into this queue but the API."""
        del accept
        return nullcontext()

    async def check(self) -> None:
        """Raise if the broker cannot be reached."""
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        with self._app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=PATIENCE)

    async def close(self) -> None:
        """Let go of every connection."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._publishing:
            self._disconnect()
        self._app.close()


class _Crew:
    """What Celery's threads do: each has one delivery run in the application's loop, and waits."""

    def __init__(
        self, run: Run, loop: asyncio.AbstractEventLoop, again: Callable[[str, str], None]
    ) -> None:
        self._run = run
        self._loop = loop
        self._again = again
        self._running: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    def deliver(self, task: Any, job_id: str) -> None:
        """One delivery, in a thread of Celery's."""
        try:
            asyncio.run_coroutine_threadsafe(self._one(UUID(job_id)), self._loop).result()
        except CancelledError:
            # The job has handed itself back: another delivery of it is on its way.
            log.info("queue.handed_back", job_id=job_id)
        except Reject:
            raise
        except Exception:
            log.warning("queue.again", job_id=job_id, exc_info=True)
            try:
                self._again(job_id, task.request.id)
            except Exception as unavailable:  # the broker still has the message
                raise Reject(unavailable, requeue=True) from unavailable

    async def _one(self, job_id: UUID) -> None:
        if self._is_closing:
            raise Reject("the worker ends", requeue=True)
        current = cast("asyncio.Task[Any]", asyncio.current_task())
        self._running.add(current)
        try:
            await self._run(job_id)
        finally:
            self._running.discard(current)

    def close(self) -> None:
        """Begin nothing more."""
        self._is_closing = True

    async def finish(self, drain: float) -> None:
        """Wait for what has begun; after `drain` seconds cancel it, and wait for its own end."""
        late = set(self._running)
        if late:
            _, late = await asyncio.wait(late, timeout=drain)
        # The tasks, not the futures that the threads wait for: a cancelled future has ended while
        # its job is still handing itself back.
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


def _is_rabbitmq(url: str) -> bool:
    return url.startswith(("amqp:", "amqps:", "pyamqp:"))


def _configured(settings: Settings) -> Any:
    # What Celery does is in our own log, in our own words.
    for name in ("celery", "kombu", "amqp"):
        logging.getLogger(name).setLevel(logging.ERROR)
    name = settings.queue_name
    app = Celery(name, broker=settings.broker_url, set_as_current=False)
    is_rabbitmq = _is_rabbitmq(settings.broker_url)
    app.conf.update(
        task_queues=(
            KombuQueue(
                name,
                # Celery's delayed delivery routes through topics.
                Exchange(name, type="topic"),
                routing_key=name,
                queue_arguments={"x-queue-type": "quorum"} if is_rabbitmq else None,
            ),
        ),
        task_default_queue=name,
        task_default_exchange=name,
        task_default_exchange_type="topic",
        task_default_routing_key=name,
        task_default_queue_type="quorum" if is_rabbitmq else "classic",
        broker_transport_options={} if is_rabbitmq else {"visibility_timeout": VISIBILITY_SECONDS},
        broker_heartbeat=HEARTBEAT_SECONDS,
        broker_connection_timeout=PATIENCE,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A quorum queue has no prefetch of the whole channel, which this would change.
        worker_enable_prefetch_count_reduction=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
    )
    return app


def create_queue(settings: Settings) -> CeleryQueue:
    """The queue of this process."""
    return CeleryQueue(settings)
