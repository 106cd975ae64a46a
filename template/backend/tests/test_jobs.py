"""Jobs on a real queue: done once, tried again, buried, and brought back."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.choices import channel, queue
from app.database import Session, create_engine
from app.dev.servers import BACKEND, Connections
from app.jobs.leases import Leases
from app.jobs.runner import Runner
from app.jobs.tasks import TASKS, Unrecoverable
from app.settings import Settings
from app.tenancy.session import transaction
from tests.conftest import Connection
from tests.running import Platform

SECONDS = 30.0


class Order(msgspec.Struct):
    """What the task of these tests is told: whose record to write, and how often to fail first."""

    name: str
    failures: int = 0
    hopeless: bool = False


RUNS: dict[str, list[float]] = {}
BURIED: dict[str, str] = {}
SEEN: dict[str, set[str]] = {}


async def _bury(_: Session, order: Order, reason: str) -> None:
    BURIED[order.name] = reason


@jobs.task(
    "tests.order",
    Order,
    attempts=3,
    backoff=jobs.Backoff(first=0.2),
    timeout=5.0,
    on_failure=_bury,
)
async def fulfil(job: jobs.Job, order: Order) -> None:
    """Fail as ordered, then look which organizations a job can see."""
    runs = RUNS.setdefault(order.name, [])
    runs.append(asyncio.get_running_loop().time())
    if order.hopeless:
        raise Unrecoverable("nobody can do this")
    if len(runs) <= order.failures:
        raise ValueError(f"failure {len(runs)}")
    async with job.transaction() as session:
        rows = await session.exec_driver_sql("select slug from organizations")
        SEEN[order.name] = {row.slug for row in rows}


def settings_of(platform: Platform, connections: Connections, *, api: bool) -> Settings:
    values = platform.environment(connections.for_api() if api else connections.for_worker())
    values["QUEUE_NAME"] = f"tests-{connections.migrator.rpartition('/')[2]}"
    fields = {name.lower(): value for name, value in values.items()}
    return Settings(_env_file=None, **fields)  # type: ignore[arg-type]


class Workshop:
    """A database of its own, an API's connection to write jobs, and a worker in this process."""

    def __init__(self, platform: Platform, connections: Connections) -> None:
        self.settings = settings_of(platform, connections, api=False)
        self.api: AsyncEngine = create_engine(
            settings_of(platform, connections, api=True), application_name="api"
        )
        self.name = uuid.uuid4().hex
        self.claims = {
            "sub": f"user_{self.name}",
            "org_id": f"org_{self.name}",
            "org_slug": self.name,
            "org_role": "admin",
            "iat": 1_700_000_000,
        }

    async def order(self, **fields: Any) -> str:
        name = uuid.uuid4().hex
        async with transaction(self.api, self.claims, "request-of-tests") as (session, _):
            await jobs.enqueue(session, fulfil, Order(name, **fields))
        return name

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        engine = create_engine(self.settings, application_name="worker")
        delivery = queue.create_queue(self.settings)
        events = channel.create_channel(self.settings)
        stop = asyncio.Event()
        leases = Leases(engine)
        run = Runner(engine, events, leases)
        async with asyncio.TaskGroup() as group:
            group.create_task(leases.keep(stop))
            group.create_task(delivery.tend(engine, stop))
            group.create_task(delivery.work(run, concurrency=4, stop=stop, drain=5.0))
            try:
                yield
            finally:
                stop.set()
        await events.close()
        await delivery.close()
        await engine.dispose()


@pytest.fixture(scope="module")
def connections(new_database: Callable[..., Connections]) -> Connections:
    return new_database()


@pytest.fixture
async def workshop(platform: Platform, connections: Connections) -> AsyncIterator[Workshop]:
    workshop = Workshop(platform, connections)
    yield workshop
    await workshop.api.dispose()


@pytest.fixture
def as_admin(connections: Connections) -> Any:
    import psycopg

    assert connections.admin is not None
    with psycopg.connect(connections.admin, autocommit=True) as connection:
        yield connection


def state(database: Connection, name: str) -> tuple[int, bool, str | None] | None:
    row = database.execute(
        "select attempts, failed_at is not null, error from app.outbox"
        " where payload ->> 'name' = %s",
        (name,),
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_job_runs_once_and_leaves_nothing(workshop: Workshop, as_admin: Connection) -> None:
    async with workshop.open():
        name = await workshop.order()
        await until(lambda: state(as_admin, name) is None)
    assert len(RUNS[name]) == 1


async def test_a_job_sees_the_tenant_that_wanted_it_and_no_other(
    workshop: Workshop, platform: Platform, connections: Connections, as_admin: Connection
) -> None:
    other = Workshop(platform, connections)
    async with workshop.open():
        names = [await workshop.order(), await other.order()]
        await until(lambda: all(state(as_admin, name) is None for name in names))
    assert [SEEN[name] for name in names] == [{workshop.name}, {other.name}]
    await other.api.dispose()


async def test_what_is_rolled_back_never_runs(workshop: Workshop, as_admin: Connection) -> None:
    name = uuid.uuid4().hex

    async def change_ones_mind() -> None:
        async with transaction(workshop.api, workshop.claims, "request-of-tests") as (session, _):
            await jobs.enqueue(session, fulfil, Order(name))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_ones_mind()
    async with workshop.open():
        witness = await workshop.order()
        await until(lambda: state(as_admin, witness) is None)
    assert name not in RUNS


async def test_failures_are_tried_again_with_growing_delay(
    workshop: Workshop, as_admin: Connection
) -> None:
    async with workshop.open():
        name = await workshop.order(failures=2)
        await until(lambda: state(as_admin, name) is None)
    first, second, third = RUNS[name]
    assert second - first >= 0.1
    assert third - second >= 0.2


async def test_when_retries_are_used_up_the_job_is_a_dead_letter_that_can_be_revived(
    workshop: Workshop, platform: Platform, connections: Connections, as_admin: Connection
) -> None:
    async with workshop.open():
        name = await workshop.order(failures=3)
        await until(lambda: (state(as_admin, name) or (0, False, None))[1])
        assert state(as_admin, name) == (3, True, "failure 3")
        assert BURIED[name] == "failure 3"

        environment = platform.environment(connections.for_worker())
        listed = await asyncio.to_thread(app_command, environment, "jobs", "list")
        assert "tests.order" in listed
        revived = await asyncio.to_thread(app_command, environment, "jobs", "retry", "--all")
        assert "will run again" in revived
        await until(lambda: state(as_admin, name) is None)
    assert len(RUNS[name]) == 4


async def test_what_cannot_succeed_is_not_tried_again(
    workshop: Workshop, as_admin: Connection
) -> None:
    async with workshop.open():
        name = await workshop.order(hopeless=True)
        await until(lambda: (state(as_admin, name) or (0, False, None))[1])
    assert len(RUNS[name]) == 1
    assert BURIED[name] == "nobody can do this"


async def test_a_job_that_kills_its_worker_each_time_is_buried(
    workshop: Workshop, as_admin: Connection
) -> None:
    name = await workshop.order()
    as_admin.execute("update app.outbox set attempts = 3 where payload ->> 'name' = %s", (name,))
    async with workshop.open():
        await until(lambda: (state(as_admin, name) or (0, False, None))[1])
    assert name not in RUNS
    assert "died" in BURIED[name]


@pytest.mark.parametrize(
    ("task", "failures", "reason"),
    [
        ("tests.unknown", "0", "no task is named 'tests.unknown'"),
        ("tests.order", '"many"', "does not fit the task"),
    ],
)
async def test_a_job_that_nobody_understands_is_a_dead_letter(
    workshop: Workshop, as_admin: Connection, task: str, failures: str, reason: str
) -> None:
    name = await workshop.order()
    as_admin.execute(
        "update app.outbox set task = %s, payload = jsonb_set(payload, '{failures}', %s::jsonb)"
        " where payload ->> 'name' = %s",
        (task, failures, name),
    )
    async with workshop.open():
        await until(lambda: (state(as_admin, name) or (0, False, None))[1])
    _, _, error = state(as_admin, name) or (0, False, "")
    assert reason in (error or "")


async def test_a_job_that_takes_too_long_is_stopped(
    workshop: Workshop, as_admin: Connection
) -> None:
    class Wait(msgspec.Struct):
        name: str

    @jobs.task("tests.endless", Wait, attempts=1, timeout=0.3)
    async def endless(_: jobs.Job, __: Wait) -> None:
        await asyncio.Event().wait()

    name = uuid.uuid4().hex
    async with transaction(workshop.api, workshop.claims, "request-of-tests") as (session, _):
        await jobs.enqueue(session, endless, Wait(name))
    async with workshop.open():
        await until(lambda: (state(as_admin, name) or (0, False, None))[1])
    del TASKS["tests.endless"]
    assert (state(as_admin, name) or (0, False, ""))[2] == "it took longer than 0.3 seconds"


def app_command(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=environment,
        cwd=BACKEND,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_delay_grows_and_has_a_limit() -> None:
    backoff = jobs.Backoff(first=2.0, longest=600.0)
    for attempt in range(1, 30):
        longest = min(600.0, 2.0 * 2 ** (attempt - 1))
        delays = [backoff.after(attempt) for _ in range(50)]
        assert all(longest / 2 <= delay <= longest for delay in delays)
        assert len(set(delays)) > 1
