"""Worker processes, tenants that give them work, and what is known about both."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.choices import tenancy
from app.database import Session
from app.dev import processes
from app.dev.processes import last_lines
from app.dev.servers import BACKEND, Connections
from app.jobs.tasks import Task
from app.tenancy.session import transaction
from tests import forked
from tests.choices import tenants
from tests.queue_worker import FOLDER, Entry, gate
from tests.running import Platform

MINE = tenancy.TENANT_COLUMN
SECONDS = 60.0
DRAIN_SECONDS = 3.0

_TABLES = f"""
    create table test_guards (
        id uuid not null default app.uuid_v7(),
        {MINE} uuid not null default app.default_tenant_id(),
        name text not null, done int not null, primary key ({MINE}, name)
    );
    create table test_effects (
        id uuid primary key default app.uuid_v7(),
        {MINE} uuid not null default app.default_tenant_id(), name text not null, step int not null
    );
    select app.isolate('public.test_guards'), app.isolate('public.test_effects');
"""

# Every state that a job comes through, and every slot of the schedule, as the database sees them.
_DIARY = """
    create table test_states (n bigint generated always as identity, job_id uuid, state text);
    create function test_note_state() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
        insert into public.test_states (job_id, state)
        select coalesce(new.id, old.id),
               case when new.id is null then 'gone' else app.job_state(new) end;
        return null;
    end $$;
    create trigger test_arrival after insert on app.outbox
        for each row when (new.task in ('tests.work', 'tests.fragile'))
        execute function test_note_state();
    create trigger test_change after update on app.outbox
        for each row when (
            new.task in ('tests.work', 'tests.fragile')
            and (old.worker_id, old.failed_at) is distinct from (new.worker_id, new.failed_at)
        ) execute function test_note_state();
    create trigger test_departure after delete on app.outbox
        for each row when (old.task in ('tests.work', 'tests.fragile'))
        execute function test_note_state();
    create table test_slots (slot timestamptz);
    create function test_note_slot() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
        insert into public.test_slots values (new.last_slot);
        return null;
    end $$;
    create trigger test_slot after update on app.schedules
        for each row when (new.task = 'tests.tick') execute function test_note_slot();
"""


def say(figure: str) -> None:
    """A figure for whoever runs the tests with `-s` or `-rP`."""
    sys.stdout.write(f"\n{figure}\n")


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for what must come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


class Killable(Protocol):
    """A server."""

    process: subprocess.Popen[bytes] | None


def kill(server: Killable) -> None:
    """End a server as a crash of its machine does, without a word to anybody."""
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


class Journal:
    """What the tasks wrote down, in the order in which it happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "journal"
        self._entries: list[Entry] = []
        self._read = 0

    def all(self, event: str, *names: str) -> list[Entry]:
        """The entries about an event; about these jobs, if any are named."""
        self._read_on()
        wanted = set(names)
        return [
            entry
            for entry in self._entries
            if entry.event == event and (not wanted or entry.name in wanted)
        ]

    def has(self, event: str, *names: str) -> bool:
        """Whether this has happened to each of these jobs."""
        return {entry.name for entry in self.all(event, *names)} >= set(names)

    def last(self, event: str, name: str) -> Entry:
        return self.all(event, name)[-1]

    def _read_on(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            lines = file.read().split(b"\n")
        for line in lines[:-1]:
            self._entries.append(msgspec.json.decode(line, type=Entry))
            self._read += len(line) + 1


class Worker:
    """One worker process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = processes.start(
                [sys.executable, "-m", "tests.queue_worker"],
                env=environment,
                output=output,
                cwd=BACKEND,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as the out-of-memory killer does."""
        self.process.kill()
        self.process.wait()

    async def is_up(self) -> None:
        await until(lambda: not self.is_running or "worker.started" in last_lines(self.log, 1000))
        assert self.is_running, f"the worker has ended:\n{last_lines(self.log, 50)}"

    async def has_ended(self) -> int:
        """Wait for its end and return its exit code."""
        await until(lambda: not self.is_running)
        return self.process.wait()


class Crew:
    """A database of its own, and the workers on it."""

    def __init__(self, platform: Platform, connections: Connections, folder: Path) -> None:
        assert connections.admin is not None
        self._admin_url = connections.admin
        self._admin = psycopg.connect(self._admin_url, autocommit=True)
        self._workers: list[Worker] = []
        self.journal = Journal(folder)
        queue = {"QUEUE_NAME": f"tests-{connections.migrator.rpartition('/')[2]}"}
        self.api_environment = platform.environment({**connections.for_api(), **queue})
        self.environment = platform.environment({**connections.for_worker(), **queue}) | {
            "WORKER_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "WORKER_CONCURRENCY": "4",
            "COLUMNS": "250",
            FOLDER: str(folder),
        }
        with psycopg.connect(connections.migrator) as owner:
            owner.execute(_TABLES)
        self._admin.execute(_DIARY)

    async def of(self, count: int) -> list[Worker]:
        """Exactly so many workers run."""
        working = [worker for worker in self._workers if worker.is_running]
        for surplus in working[count:]:
            surplus.send(signal.SIGTERM)
            await surplus.has_ended()
        hired = [self.hire() for _ in range(count - len(working))]
        for worker in hired:
            await worker.is_up()
        return working[:count] + hired

    def hire(self, **settings: str) -> Worker:
        """Start one more; it is not up yet."""
        log = self.journal.folder / f"worker-{len(self._workers)}.log"
        worker = Worker(self.environment | settings, log)
        self._workers.append(worker)
        return worker

    def let_go(self) -> None:
        """Kill everybody."""
        for worker in self._workers:
            processes.stop(worker.process)
        self._admin.close()

    def logs(self) -> str:
        """What the workers that run have said, for finding out that they noticed something."""
        return "".join(
            last_lines(worker.log, 10_000) for worker in self._workers if worker.is_running
        )

    def query(self, statement: str, *parameters: object) -> list[Any]:
        """Ask the database, past every policy."""
        try:
            cursor = self._admin.execute(statement.encode(), parameters)
        except psycopg.OperationalError:  # it was restarted
            self._admin = psycopg.connect(self._admin_url, autocommit=True)
            cursor = self._admin.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def job(self, job_id: UUID) -> dict[str, Any] | None:
        """The job's row, with its state; None when it is gone."""
        found = self.query(
            "select to_jsonb(j) || jsonb_build_object('state', app.job_state(j))"
            " from app.outbox j where id = %s",
            job_id,
        )
        return found[0][0] if found else None

    def state(self, job_id: UUID) -> str:
        job = self.job(job_id)
        return "gone" if job is None else job["state"]

    def states(self, job_id: UUID) -> list[str]:
        """Every state that the job came through."""
        return [
            state
            for (state,) in self.query(
                "select state from test_states where job_id = %s order by n", job_id
            )
        ]

    def unfinished(self) -> int:
        """How many jobs there are that are neither done nor dead letters."""
        return int(self.query("select count(*) from app.outbox where failed_at is null")[0][0])

    def effects(self, orders: Iterable["Order"]) -> Counter[tuple[str, int]]:
        """How often each step of each of these jobs has left its effect."""
        names = [order.name for order in orders]
        rows = self.query("select name, step from test_effects where name = any(%s)", names)
        return Counter((name, step) for name, step in rows)

    def app(self, *arguments: str) -> str:
        """What a command of the product prints."""
        done = forked.run(arguments, env=self.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Order(NamedTuple):
    """A job that was enqueued, and when, in seconds on the journal's clock."""

    name: str
    job_id: UUID
    at: float


class Tenant:
    """Somebody who gives work."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.name = uuid.uuid4().hex
        self._engine = engine
        self._claims = tenants.claims(self.name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        async with transaction(self._engine, self._claims, "request-of-tests") as (session, _):
            yield session

    async def order(
        self,
        task: Task[Any],
        name: str | None = None,
        *,
        delay: timedelta | None = None,
        at: datetime | None = None,
        **fields: Any,
    ) -> Order:
        """One job, committed."""
        begun = time.monotonic()
        name = name or uuid.uuid4().hex
        async with self.transaction() as session:
            payload = task.payload(name=name, **fields)
            job_id = await jobs.enqueue(session, task, payload, delay=delay, at=at)
        return Order(name, job_id, begun)

    async def orders(self, count: int, task: Task[Any], **fields: Any) -> list[Order]:
        """So many jobs, committed together."""
        begun = time.monotonic()
        names = [uuid.uuid4().hex for _ in range(count)]
        async with self.transaction() as session:
            return [
                Order(
                    name,
                    await jobs.enqueue(session, task, task.payload(name=name, **fields)),
                    begun,
                )
                for name in names
            ]

    async def cancel(self, job_id: UUID) -> bool:
        async with self.transaction() as session:
            return await jobs.cancel(session, job_id)


def open_gates(journal: Journal, orders: Iterable[Order]) -> None:
    """Let gated jobs go on."""
    for order in orders:
        (journal.folder / gate(order.name)).touch()
