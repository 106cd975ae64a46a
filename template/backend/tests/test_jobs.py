"""What the outbox and a worker's runner do with a job, whatever brings it: here, the test does."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.choices import channel
from app.database import Session, create_engine
from app.dev.servers import Connections
from app.jobs.leases import Leases
from app.jobs.runner import Runner
from app.jobs.schedules import SCHEDULES, Schedule
from app.jobs.tasks import TASKS
from app.settings import Settings
from app.storage import Storage
from app.tenancy.session import transaction
from tests import forked
from tests.choices import tenants
from tests.conftest import Connection
from tests.running import Platform


class Order(msgspec.Struct):
    """What the tasks of these tests are told."""

    name: str
    failures: int = 0
    is_hopeless: bool = False
    progress: bool = False


RUNS: dict[str, int] = {}
BURIED: dict[str, str] = {}
GATES: dict[str, asyncio.Event] = {}


async def _bury(_: Session, order: Order, reason: str) -> None:
    BURIED[order.name] = reason


async def _fulfil(job: jobs.Job, order: Order) -> None:
    RUNS[order.name] = RUNS.get(order.name, 0) + 1
    if order.is_hopeless:
        raise jobs.Unrecoverable("nobody can do this")
    if order.progress:
        async with job.transaction() as session:
            await job.progressed(session)
    if order.name in GATES:
        await GATES[order.name].wait()
    if RUNS[order.name] <= order.failures:
        raise ValueError(f"failure {RUNS[order.name]}")


_RULES: dict[str, Any] = {
    "attempts": 3,
    "backoff": jobs.Backoff(first=60.0),
    "on_failure": _bury,
}
fulfil = jobs.task("tests.order", Order, **_RULES)(_fulfil)
one_by_one = jobs.task("tests.one_by_one", Order, per_tenant=1, **_RULES)(_fulfil)
named = jobs.task("tests.named", Order, key=lambda order: order.name, **_RULES)(_fulfil)

_LOCK = text("select pg_advisory_xact_lock(:key)")
MEETING: list[asyncio.Barrier] = []


class Clash(msgspec.Struct):
    """Two that take the same two locks, each beginning with another one."""

    name: str
    keys: list[int]


@jobs.task("tests.clash", Clash, **_RULES | {"on_failure": None})
async def clash(job: jobs.Job, order: Clash) -> None:
    RUNS[order.name] = RUNS.get(order.name, 0) + 1
    async with job.transaction() as session:
        for key in order.keys:
            await session.execute(_LOCK, {"key": key})
            if RUNS[order.name] == 1 and key == order.keys[0]:
                await MEETING[-1].wait()


ASKED: dict[str, UUID] = {}


@jobs.task("tests.asking", Order, **_RULES)
async def asking(job: jobs.Job, order: Order) -> None:
    """Enqueue from within a job, and note which job came of it."""
    async with job.transaction() as session:
        ASKED[order.name] = await jobs.enqueue(session, named, Order(order.name))


class Workshop:
    """A database of its own, a tenant that orders, and two workers that are told what to run."""

    def __init__(self, platform: Platform, connections: Connections) -> None:
        def engine_of(environment: dict[str, str], name: str) -> AsyncEngine:
            self.settings = Settings(
                _env_file=None,
                **{key.lower(): value for key, value in environment.items()},  # type: ignore[arg-type]
            )
            return create_engine(self.settings, application_name=name)

        self.environment = platform.environment(connections.for_worker())
        self.api = engine_of(platform.environment(connections.for_api()), "api")
        self.engine = engine_of(self.environment, "worker")
        self.channel = channel.create_channel(self.settings)
        storage = Storage(self.settings.storage_url)
        self.worker = Runner(self.engine, self.channel, Leases(self.engine), storage)
        self.other_worker = Runner(self.engine, self.channel, Leases(self.engine), storage)
        self.claims = tenants.claims(uuid.uuid4().hex)

    async def order(
        self,
        task: jobs.Task[Order] = fulfil,
        name: str | None = None,
        delay: timedelta | None = None,
        **fields: Any,
    ) -> tuple[str, UUID]:
        name = name or uuid.uuid4().hex
        async with transaction(self.api, self.claims, "request-of-tests") as (session, _):
            return name, await jobs.enqueue(session, task, Order(name, **fields), delay=delay)

    async def close(self) -> None:
        await self.channel.close()
        await self.api.dispose()
        await self.engine.dispose()


@pytest.fixture(scope="module")
def connections(new_database: Callable[..., Connections]) -> Connections:
    return new_database()


@pytest.fixture
async def workshop(platform: Platform, connections: Connections) -> AsyncIterator[Workshop]:
    workshop = Workshop(platform, connections)
    yield workshop
    await workshop.close()


@pytest.fixture
def as_admin(connections: Connections) -> Iterator[Connection]:
    assert connections.admin is not None
    with psycopg.connect(connections.admin, autocommit=True) as connection:
        yield connection


def row(database: Connection, job_id: UUID) -> dict[str, Any]:
    """The job's row with its state; a job without a row is gone."""
    found = database.execute(
        "select to_jsonb(j) || jsonb_build_object('state', app.job_state(j))"
        " from app.outbox j where id = %s",
        (job_id,),
    ).fetchone()
    return {"state": "gone"} if found is None else dict(found[0])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30.0):
        while not condition():
            await asyncio.sleep(0.01)


# --- A delivery -----------------------------------------------------------------------------------


async def test_a_job_is_done_once_however_often_it_is_delivered(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order()
    await asyncio.gather(*(run(job_id) for run in (workshop.worker, workshop.other_worker) * 5))
    await workshop.worker(job_id)
    assert row(as_admin, job_id)["state"] == "gone"
    assert RUNS[name] == 1


async def test_what_is_delivered_early_waits_until_it_is_due(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order(delay=timedelta(hours=1))
    await workshop.worker(job_id)
    assert row(as_admin, job_id)["state"] == "delayed"
    assert row(as_admin, job_id)["attempts"] == 0
    assert name not in RUNS


async def test_a_failure_is_written_down_and_asks_for_another_delivery(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order(failures=1)
    before = row(as_admin, job_id)
    await workshop.worker(job_id)
    after = row(as_admin, job_id)
    assert (after["state"], after["attempts"], after["error"]) == ("delayed", 1, "failure 1")
    assert after["delivery"] == before["delivery"] + 1
    assert after["handed_at"] is None
    waits = datetime.fromisoformat(after["run_after"]) - datetime.now(UTC)
    assert timedelta(seconds=20) < waits <= timedelta(seconds=60)
    await workshop.worker(job_id)  # the backoff is not over
    assert RUNS[name] == 1


async def test_a_deadlock_is_no_failure_of_who_is_chosen_to_give_way(
    workshop: Workshop, as_admin: Connection
) -> None:
    MEETING.append(asyncio.Barrier(2))
    jobs_: list[UUID] = []
    async with transaction(workshop.api, workshop.claims, "request-of-tests") as (session, _):
        for name, keys in (("one way", [1, 2]), ("the other way", [2, 1])):
            jobs_.append(await jobs.enqueue(session, clash, Clash(name, keys)))
    async with asyncio.TaskGroup() as group:
        for job_id, worker in zip(jobs_, (workshop.worker, workshop.other_worker), strict=True):
            group.create_task(worker(job_id))
    assert [row(as_admin, job_id)["state"] for job_id in jobs_] == ["gone", "gone"]
    assert RUNS["one way"] + RUNS["the other way"] == 3


async def test_progress_makes_earlier_failures_count_no_more(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order(failures=1, progress=True)
    as_admin.execute("update app.outbox set attempts = 2 where id = %s", (job_id,))
    await workshop.worker(job_id)
    assert RUNS[name] == 1
    assert row(as_admin, job_id)["state"] == "delayed"


async def test_what_cannot_succeed_is_not_tried_again(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order(is_hopeless=True)
    await workshop.worker(job_id)
    assert row(as_admin, job_id)["state"] == "dead"
    assert BURIED[name] == "nobody can do this"


async def test_a_job_that_kills_its_worker_each_time_is_buried(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order()
    as_admin.execute("update app.outbox set attempts = 3 where id = %s", (job_id,))
    await workshop.worker(job_id)
    assert row(as_admin, job_id)["state"] == "dead"
    assert name not in RUNS
    assert "died" in BURIED[name]


async def test_a_claim_whose_answer_got_lost_is_handed_back_by_the_next_beat(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, job_id = await workshop.order()
    leases = workshop.worker.leases
    as_admin.execute("select app.claim_job(%s, %s)", (job_id, leases.me))
    assert row(as_admin, job_id)["state"] == "running"
    await leases.beat()
    after = row(as_admin, job_id)
    assert (after["state"], after["attempts"], after["delivery"]) == ("waiting", 0, 1)
    await workshop.other_worker(job_id)
    assert RUNS[name] == 1


# --- A limit for each tenant ----------------------------------------------------------------------


async def test_one_too_many_is_parked_until_the_one_before_it_ends(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, first = await workshop.order(one_by_one)
    _, second = await workshop.order(one_by_one)
    _, third = await workshop.order(one_by_one)
    GATES[name] = asyncio.Event()
    running = asyncio.create_task(workshop.worker(first))
    await until(lambda: name in RUNS)
    for job_id in (second, third):
        await workshop.other_worker(job_id)
        assert row(as_admin, job_id)["state"] == "parked"
        assert row(as_admin, job_id)["attempts"] == 0

    GATES.pop(name).set()
    await running
    assert row(as_admin, second)["state"] == "waiting"
    assert row(as_admin, second)["delivery"] == 1
    assert row(as_admin, third)["state"] == "parked"
    await workshop.other_worker(second)
    await workshop.other_worker(third)
    assert row(as_admin, second)["state"] == row(as_admin, third)["state"] == "gone"


async def test_a_parked_job_that_is_cancelled_needs_no_turn(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, first = await workshop.order(one_by_one)
    parked_name, parked = await workshop.order(one_by_one)
    GATES[name] = asyncio.Event()
    running = asyncio.create_task(workshop.worker(first))
    await until(lambda: name in RUNS)
    await workshop.other_worker(parked)
    async with transaction(workshop.api, workshop.claims, "request-of-tests") as (session, _):
        assert await jobs.cancel(session, parked)
    assert row(as_admin, parked)["state"] == "cancelling"
    await workshop.other_worker(parked)
    assert row(as_admin, parked)["state"] == "gone"
    assert BURIED[parked_name] == "cancelled"
    assert parked_name not in RUNS
    GATES.pop(name).set()
    await running


async def test_a_key_is_the_tenants_own_also_within_a_job(
    workshop: Workshop, platform: Platform, connections: Connections
) -> None:
    other = Workshop(platform, connections)
    name, theirs = await other.order(named)
    _, ours = await workshop.order(named, name)
    _, job_id = await workshop.order(asking, name)
    await workshop.worker(job_id)
    assert ASKED[name] == ours != theirs
    await other.close()


# --- Dead letters and keys ------------------------------------------------------------------------


async def test_a_dead_letter_is_not_in_the_way_of_a_new_job_with_its_key(
    workshop: Workshop, as_admin: Connection
) -> None:
    name, dead = await workshop.order(named, is_hopeless=True)
    await workshop.worker(dead)
    _, again = await workshop.order(named, name, delay=timedelta(hours=1))
    assert again != dead
    refused = await asyncio.to_thread(app_command, workshop, 1, "retry", str(dead))
    assert "a job with the same key waits already" in refused
    as_admin.execute("delete from app.outbox where id = %s", (again,))
    revived = await asyncio.to_thread(app_command, workshop, 0, "retry", str(dead))
    assert "1 job(s) will run again" in revived
    assert row(as_admin, dead)["attempts"] == 0


@pytest.mark.parametrize("command", ["discard", "show", "cancel"])
async def test_an_operator_hears_when_there_is_no_such_job(
    workshop: Workshop, command: str
) -> None:
    nobody = str(uuid.uuid4())
    assert nobody in await asyncio.to_thread(app_command, workshop, 1, command, nobody)


def app_command(workshop: Workshop, code: int, *arguments: str) -> str:
    done = forked.run(["jobs", *arguments], env=workshop.environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- Declarations ---------------------------------------------------------------------------------


def test_two_tasks_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match=r"two tasks are named 'tests\.order'"):
        jobs.task("tests.order", Order)(_fulfil)
    assert TASKS["tests.order"] is fulfil


def test_the_delay_grows_and_has_a_limit() -> None:
    backoff = jobs.Backoff(first=2.0, longest=600.0)
    for attempt in range(1, 30):
        longest = min(600.0, 2.0 * 2 ** (attempt - 1))
        delays = [backoff.after(attempt) for _ in range(50)]
        assert all(longest / 2 <= delay <= longest for delay in delays)
        assert len(set(delays)) > 1


def test_a_schedule_must_be_a_cron_expression_and_the_only_one_of_its_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SCHEDULES, "tests.named", Schedule("* * * * *", named, Order("")))
    with pytest.raises(ValueError, match="has a schedule already"):
        jobs.every("* * * * *", named, Order(""))
    with pytest.raises(ValueError, match="is no cron expression"):
        jobs.every("every day", fulfil, Order(""))


@pytest.mark.parametrize(
    ("cron", "now", "slot"),
    [
        ("17 * * * *", "2024-05-01T10:16:59.9+00:00", "2024-05-01T09:17:00+00:00"),
        ("17 * * * *", "2024-05-01T10:17:00+00:00", "2024-05-01T10:17:00+00:00"),
        ("17 * * * *", "2024-05-01T10:17:00.1+00:00", "2024-05-01T10:17:00+00:00"),
        ("* * * * * *", "2024-05-01T10:17:00.9+00:00", "2024-05-01T10:17:00+00:00"),
        ("0 6 * * MON", "2024-05-01T10:17:00+00:00", "2024-04-29T06:00:00+00:00"),
    ],
)
def test_a_slot_is_the_last_moment_at_which_the_task_was_due(
    cron: str, now: str, slot: str
) -> None:
    schedule = Schedule(cron, fulfil, Order(""))
    assert schedule.last_slot(datetime.fromisoformat(now)) == datetime.fromisoformat(slot)
