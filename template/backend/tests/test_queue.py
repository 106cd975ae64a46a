"""What every queue must do, with real servers, worker processes, and accidents.

The same file for every queue that the template offers: a queue is finished when this passes.
"""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import jobs
from app.database import create_engine
from app.dev.servers import Connections
from app.settings import Settings
from tests.choices import tenants
from tests.crew import DRAIN_SECONDS, Crew, Journal, Order, Tenant, kill, open_gates, say, until
from tests.queue_worker import SCHEDULE, brief, fragile, keyed, limited, look, take_note, work
from tests.running import Platform

COMES_BACK_SECONDS = 15.0
"""A dead worker's job runs again after this, at the latest."""

MOMENT = 5.0
"""Longer than anything takes that happens at once, on a machine that has other things to do."""


@pytest.fixture(scope="module")
def crew(
    platform: Platform,
    new_database: Callable[..., Connections],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Crew]:
    crew = Crew(platform, new_database(), tmp_path_factory.mktemp("queue"))
    yield crew
    crew.let_go()


@pytest.fixture
def journal(crew: Crew) -> Iterator[Journal]:
    yield crew.journal
    # What a failed test leaves behind is not the next one's business.
    crew.query("delete from app.outbox")


@pytest.fixture(scope="module")
async def api(crew: Crew) -> AsyncIterator[AsyncEngine]:
    """The database as an API process sees it."""
    values = {name.lower(): value for name, value in crew.api_environment.items()}
    engine = create_engine(Settings(_env_file=None, **values), application_name="api")  # type: ignore[arg-type]
    yield engine
    await engine.dispose()


@pytest.fixture
def tenant(api: AsyncEngine) -> Tenant:
    return Tenant(api)


@pytest.fixture
def other_tenant(api: AsyncEngine) -> Tenant:
    return Tenant(api)


def names(orders: Iterable[Order]) -> list[str]:
    return [order.name for order in orders]


def once_each(orders: Iterable[Order], steps: int = 1) -> dict[tuple[str, int], int]:
    """The effects of jobs that were done exactly once."""
    return {(order.name, step): 1 for order in orders for step in range(1, steps + 1)}


# --- One job --------------------------------------------------------------------------------------


async def test_a_job_waits_runs_and_is_gone(crew: Crew, journal: Journal, tenant: Tenant) -> None:
    await crew.of(0)
    order = await tenant.order(work, is_gated=True)
    assert crew.state(order.job_id) == "waiting"
    await crew.of(1)
    await until(lambda: journal.has("began", order.name))
    assert crew.state(order.job_id) == "running"
    open_gates(journal, [order])
    await until(lambda: crew.state(order.job_id) == "gone")
    assert crew.states(order.job_id) == ["waiting", "running", "gone"]
    assert crew.effects([order]) == once_each([order])


async def test_a_job_that_fails_is_tried_again_later_and_later(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(2)
    order = await tenant.order(fragile, failures=3)
    await until(lambda: crew.state(order.job_id) == "gone")
    assert crew.states(order.job_id) == ["waiting", *["running", "delayed"] * 3, "running", "gone"]
    failed = [entry.at for entry in journal.all("failed", order.name)]
    began = [entry.at for entry in journal.all("began", order.name)]
    waits = [again - end for end, again in zip(failed, began[1:], strict=True)]
    say(f"waited {', '.join(f'{wait:.2f} s' for wait in waits)} between the attempts")
    for wait, limit in zip(waits, (0.5, 1.0, 2.0), strict=True):
        assert limit / 2 <= wait <= limit + MOMENT
    assert crew.effects([order]) == once_each([order])


async def test_a_job_that_always_fails_is_a_dead_letter(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(2)
    order = await tenant.order(fragile, failures=99)
    await until(lambda: crew.state(order.job_id) == "dead")
    assert crew.states(order.job_id) == ["waiting", *["running", "delayed"] * 3, "running", "dead"]
    job = crew.job(order.job_id) or {}
    assert (job["attempts"], job["error"]) == (4, "failure 4")
    assert [entry.detail for entry in journal.all("told", order.name)] == [
        f"{tenants.external_id(tenant.name)}: failure 4"
    ]


async def test_a_delayed_job_begins_when_it_is_due(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(2)
    in_a_while = await tenant.order(work, delay=timedelta(seconds=1.5))
    assert crew.state(in_a_while.job_id) == "delayed"
    at_a_time = await tenant.order(work, at=datetime.now(UTC) + timedelta(seconds=2))
    await until(lambda: journal.has("ended", in_a_while.name, at_a_time.name))
    for order, seconds in ((in_a_while, 1.5), (at_a_time, 2.0)):
        waited = journal.last("began", order.name).at - order.at
        say(f"wanted after {seconds} s, began after {waited:.2f} s")
        assert seconds <= waited <= seconds + MOMENT


async def test_a_job_that_takes_too_long_is_stopped(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(1)
    order = await tenant.order(brief, is_gated=True)
    await until(lambda: crew.state(order.job_id) == "dead")
    assert journal.has("interrupted", order.name)
    assert (crew.job(order.job_id) or {})["error"] == "it took longer than 1 seconds"
    assert crew.effects([order]) == {}


async def test_what_nobody_understands_is_a_dead_letter_and_in_nobodys_way(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(1)
    add = text("insert into app.outbox (task, payload) values (:task, cast(:payload as jsonb))")
    poison = {
        "no task is named 'tests.unknown'": ("tests.unknown", "{}"),
        "does not fit the task": ("tests.work", '{"name": 7}'),
        "Expected `object`": ("tests.work", "null"),
    }
    good = [await tenant.order(work)]
    for task, payload in poison.values():
        async with tenant.transaction() as session:
            await session.execute(add, {"task": task, "payload": payload})
        good.append(await tenant.order(work))
    await until(lambda: journal.has("ended", *names(good)) and crew.unfinished() == 0)
    errors = [error for (error,) in crew.query("select error from app.outbox order by id")]
    assert len(errors) == len(poison)
    assert all(reason in error for reason, error in zip(poison, errors, strict=True))
    assert crew.effects(good) == once_each(good)


async def test_what_is_rolled_back_never_runs(crew: Crew, journal: Journal, tenant: Tenant) -> None:
    await crew.of(1)
    name = uuid.uuid4().hex

    async def change_ones_mind() -> None:
        async with tenant.transaction() as session:
            await jobs.enqueue(session, take_note, take_note.payload(name=name))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_ones_mind()
    witness = await tenant.order(take_note)
    await until(lambda: journal.has("ended", witness.name) and crew.unfinished() == 0)
    assert not journal.all("ended", name)


async def test_a_job_sees_the_tenant_that_wanted_it_and_no_other(
    crew: Crew, journal: Journal, tenant: Tenant, other_tenant: Tenant
) -> None:
    await crew.of(1)
    mine, theirs = await tenant.order(look), await other_tenant.order(look)
    await until(lambda: journal.has("ended", mine.name, theirs.name))
    assert journal.last("ended", mine.name).detail == tenants.external_id(tenant.name)
    assert journal.last("ended", theirs.name).detail == tenants.external_id(other_tenant.name)


# --- One of several -------------------------------------------------------------------------------


async def test_of_unfinished_jobs_with_the_same_key_there_is_one(
    crew: Crew, journal: Journal, tenant: Tenant, other_tenant: Tenant
) -> None:
    await crew.of(0)
    key = uuid.uuid4().hex
    together = await asyncio.gather(
        *(tenant.order(keyed, key, is_gated=True) for _ in range(20)),
        other_tenant.order(keyed, key, is_gated=True),
    )
    theirs, first = together.pop(), together[0]
    assert {order.job_id for order in together} == {first.job_id}
    assert theirs.job_id != first.job_id

    await crew.of(2)
    await until(lambda: len(journal.all("began", key)) == 2)
    while_it_runs = await tenant.order(keyed, key)
    assert while_it_runs.job_id == first.job_id
    open_gates(journal, [first])
    await until(lambda: crew.state(first.job_id) == "gone" == crew.state(theirs.job_id))

    again = await tenant.order(keyed, key, steps=2)
    assert again.job_id != first.job_id
    await until(lambda: crew.state(again.job_id) == "gone")
    began = [entry.detail for entry in journal.all("began", key)]
    assert sorted(began) == sorted(map(str, (first.job_id, theirs.job_id, again.job_id)))


async def test_a_schedule_runs_once_per_slot_however_many_workers_there_are(
    crew: Crew, journal: Journal
) -> None:
    await crew.of(0)
    clocks = [crew.hire(**{SCHEDULE: "* * * * * *"}) for _ in range(3)]
    for clock in clocks:
        await clock.is_up()

    def slots() -> list[datetime]:
        return [slot for (slot,) in crew.query("select slot from test_slots order by slot")]

    await until(lambda: len(slots()) >= 8)
    for clock in clocks:
        clock.send(signal.SIGTERM)
    for clock in clocks:
        assert await clock.has_ended() == 0
    await crew.of(1)
    await until(lambda: crew.unfinished() == 0)
    ticks = [entry.detail for entry in journal.all("ended", "tick")]
    assert len(ticks) == len(set(ticks)) == len(slots()) == len(set(slots()))
    assert all(slot.microsecond == 0 for slot in slots())


# --- Cancelling -----------------------------------------------------------------------------------


async def test_a_waiting_job_that_is_cancelled_never_runs(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(0)
    waiting = await tenant.order(work)
    later = await tenant.order(work, delay=timedelta(hours=1))
    assert await tenant.cancel(waiting.job_id)
    assert await tenant.cancel(later.job_id)
    await crew.of(1)
    for order in (waiting, later):
        await until(lambda order=order: crew.state(order.job_id) == "gone")  # type: ignore[misc]
        assert not journal.all("began", order.name)
        assert (
            journal.last("told", order.name).detail
            == f"{tenants.external_id(tenant.name)}: cancelled"
        )
    assert not await tenant.cancel(waiting.job_id)


async def test_a_running_job_that_is_cancelled_is_interrupted(
    crew: Crew, journal: Journal, tenant: Tenant, other_tenant: Tenant
) -> None:
    await crew.of(2)
    order = await tenant.order(work, is_gated=True)
    await until(lambda: journal.has("began", order.name))
    assert not await other_tenant.cancel(order.job_id)
    cancelled = time.monotonic()
    assert await tenant.cancel(order.job_id)
    await until(lambda: crew.state(order.job_id) == "gone")
    interrupted = journal.last("interrupted", order.name).at - cancelled
    say(f"interrupted after {interrupted:.2f} s")
    assert interrupted <= 2 * MOMENT
    assert (
        journal.last("told", order.name).detail == f"{tenants.external_id(tenant.name)}: cancelled"
    )
    assert len(journal.all("began", order.name)) == 1
    assert crew.effects([order]) == {}


# --- Many jobs ------------------------------------------------------------------------------------


@pytest.mark.timeout(700)
async def test_ten_thousand_jobs_are_done_once_each(
    crew: Crew, journal: Journal, api: AsyncEngine
) -> None:
    await crew.of(0)
    orders: list[Order] = []
    for _ in range(4):
        orders += await Tenant(api).orders(2500, take_note)
    await crew.of(2)
    wanted = set(names(orders))
    await until(lambda: journal.has("ended", *wanted) and crew.unfinished() == 0, 600.0)
    done = [entry for entry in journal.all("ended") if entry.name in wanted]
    assert len(done) == len(wanted) == 10_000
    assert {entry.name for entry in done} == wanted
    rate = len(done) / (done[-1].at - done[0].at)
    say(f"{rate:.0f} jobs a second with 2 workers")


async def test_a_limit_for_each_tenant_holds_over_all_workers(
    crew: Crew, journal: Journal, tenant: Tenant, other_tenant: Tenant
) -> None:
    await crew.of(2)
    many = await tenant.orders(100, limited, seconds=0.05)
    first = await other_tenant.order(limited)
    await until(lambda: journal.has("ended", *names(many), first.name))
    began = journal.all("began", *names(many))
    ended = journal.all("ended", *names(many))
    assert most_at_a_time([entry.at for entry in began], [entry.at for entry in ended]) == 2
    assert len({entry.pid for entry in began}) == 2

    start = journal.last("began", first.name).at
    say(
        f"the other tenant waited {start - first.at:.2f} s,"
        f" the last of the many {began[-1].at - many[-1].at:.2f} s"
    )
    assert sum(entry.at < start for entry in ended) < len(many) / 2
    assert crew.effects([*many, first]) == once_each([*many, first])


def most_at_a_time(began: list[float], ended: list[float]) -> int:
    moments = sorted([(at, 1) for at in began] + [(at, -1) for at in ended])
    running = [0]
    for _, change in moments:
        running.append(running[-1] + change)
    return max(running)


async def test_many_jobs_of_one_tenant_do_not_hold_up_another(
    crew: Crew, journal: Journal, tenant: Tenant, other_tenant: Tenant
) -> None:
    await crew.of(2)
    many = await tenant.orders(500, work, seconds=0.05)
    first = await other_tenant.order(work)
    await until(lambda: journal.has("ended", *names(many), first.name))
    start = journal.last("began", first.name).at
    ended = journal.all("ended", *names(many))
    before = sum(entry.at < start for entry in ended)
    say(f"waited {start - first.at:.2f} s and for {before} of {len(many)} jobs")
    assert before < len(many) / 2


# --- Accidents ------------------------------------------------------------------------------------


async def test_a_killed_workers_jobs_come_back_and_are_done_once(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    one, other = await crew.of(2)
    held = await tenant.orders(4, work, steps=2, is_gated=True)
    busy = await tenant.orders(8, work, steps=50, seconds=0.02)
    await until(lambda: journal.has("began", *names(held)))
    victim = one if journal.last("began", held[0].name).pid == one.pid else other
    ended = {entry.name for entry in journal.all("ended")}
    victim.kill()
    killed = time.monotonic()
    lost = {
        entry.name for entry in journal.all("began", *names(held + busy)) if entry.pid == victim.pid
    } - ended
    open_gates(journal, held)
    await until(lambda: journal.has("ended", *names(held + busy)) and crew.unfinished() == 0)
    back = {
        entry.name: entry.at - killed for entry in journal.all("began", *lost) if entry.at > killed
    }
    say(f"{len(back)} jobs were back after {max(back.values()):.1f} s")
    assert held[0].name in back
    assert max(back.values()) <= COMES_BACK_SECONDS
    assert crew.effects(held) == once_each(held, 2)
    assert crew.effects(busy) == once_each(busy, 50)


async def test_a_worker_that_was_taken_for_dead_changes_nothing_any_more(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    one, other = await crew.of(2)
    order = await tenant.order(work, steps=2, is_gated=True, is_stubborn=True)
    await until(lambda: crew.effects([order]) == once_each([order]))
    paused = one if journal.last("began", order.name).pid == one.pid else other
    paused.send(signal.SIGSTOP)
    try:
        await until(lambda: len(journal.all("began", order.name)) == 2)
    finally:
        paused.send(signal.SIGCONT)
    await until(lambda: journal.has("refused", order.name))
    assert journal.last("refused", order.name).pid == paused.pid
    assert crew.effects([order]) == once_each([order])
    open_gates(journal, [order])
    await until(lambda: crew.state(order.job_id) == "gone")
    assert [entry.pid for entry in journal.all("ended", order.name)] != [paused.pid]
    assert crew.effects([order]) == once_each([order], 2)
    assert paused.is_running


async def test_a_worker_that_is_told_to_stop_finishes_what_it_began(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    (worker,) = await crew.of(1)
    order = await tenant.order(work, is_gated=True)
    await until(lambda: journal.has("began", order.name))
    worker.send(signal.SIGTERM)
    open_gates(journal, [order])
    assert await worker.has_ended() == 0
    assert crew.states(order.job_id) == ["waiting", "running", "gone"]
    assert crew.effects([order]) == once_each([order])


async def test_what_takes_too_long_to_finish_is_handed_to_another_worker(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    (worker,) = await crew.of(1)
    order = await tenant.order(work, is_gated=True)
    await until(lambda: journal.has("began", order.name))
    _, successor = await crew.of(2)
    told = time.monotonic()
    worker.send(signal.SIGTERM)
    assert await worker.has_ended() == 0
    await until(lambda: len(journal.all("began", order.name)) == 2)
    interrupted = journal.last("interrupted", order.name).at
    began = journal.last("began", order.name)
    say(
        f"interrupted {interrupted - told:.2f} s after SIGTERM,"
        f" begun again {began.at - interrupted:.2f} s after that"
    )
    assert interrupted - told >= DRAIN_SECONDS
    assert began.pid == successor.pid
    assert began.at - interrupted <= MOMENT
    assert (crew.job(order.job_id) or {})["attempts"] == 1
    open_gates(journal, [order])
    await until(lambda: crew.state(order.job_id) == "gone")
    assert crew.effects([order]) == once_each([order])


async def test_when_the_queue_is_killed_nothing_is_lost_and_nothing_doubled(
    platform: Platform, crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    server = platform.queue_server
    if server is None:
        pytest.skip("This queue has no server but Postgres, whose death the next test is about.")
    workers = await crew.of(2)
    orders = await tenant.orders(150, work, steps=3, seconds=0.02)
    await until(lambda: len(journal.all("ended", *names(orders))) >= 20)
    kill(server)
    killed = time.monotonic()
    orders += await tenant.orders(50, work, steps=3)
    await until(lambda: "relay.waiting" in crew.logs())
    server.start()
    await until(lambda: journal.has("ended", *names(orders)) and crew.unfinished() == 0, 90.0)
    say(f"{len(orders)} jobs were done {time.monotonic() - killed:.1f} s after the kill")
    assert crew.effects(orders) == once_each(orders, 3)
    assert all(worker.is_running for worker in workers)


async def test_when_postgres_is_killed_nothing_is_lost_and_nothing_doubled(
    platform: Platform, crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    workers = await crew.of(2)
    orders = await tenant.orders(150, work, steps=3, seconds=0.02)
    await until(lambda: len(journal.all("ended", *names(orders))) >= 20)
    kill(platform.postgres)
    killed = time.monotonic()
    platform.postgres.start()
    orders += await tenant.orders(50, work, steps=3)
    await until(lambda: journal.has("ended", *names(orders)) and crew.unfinished() == 0)
    say(f"{len(orders)} jobs were done {time.monotonic() - killed:.1f} s after the kill")
    assert crew.effects(orders) == once_each(orders, 3)
    assert all(worker.is_running for worker in workers)


async def test_a_claim_that_a_crash_of_postgres_made_forgotten_costs_no_job(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    """A claim does not wait for the disk. Its delivery is spent, and yet the job is nobody's."""
    (worker,) = await crew.of(1)
    orders = await tenant.orders(4, work, steps=2, is_gated=True)
    await until(lambda: journal.has("began", *names(orders)))
    crew.query(
        "update app.outbox set worker_id = null, started_at = null, attempts = 0"
        " where id = any(%s)",
        [order.job_id for order in orders],
    )
    # These go on before their worker hears that they are not its own any more, the others after.
    open_gates(journal, orders[:2])
    await until(lambda: all(len(journal.all("began", name)) > 1 for name in names(orders[2:])))
    open_gates(journal, orders[2:])
    await until(lambda: journal.has("ended", *names(orders)) and crew.unfinished() == 0)
    assert crew.effects(orders) == once_each(orders, 2)
    assert worker.is_running


# --- Operating ------------------------------------------------------------------------------------


async def test_an_operator_can_look_at_jobs_and_decide_what_becomes_of_them(
    crew: Crew, journal: Journal, tenant: Tenant
) -> None:
    await crew.of(1)
    revived = await tenant.order(fragile, failures=4)
    discarded = await tenant.order(fragile, failures=99)
    later = await tenant.order(work, delay=timedelta(hours=1))
    for order in (revived, discarded):
        await until(lambda order=order: crew.state(order.job_id) == "dead")  # type: ignore[misc]

    async def app(*arguments: str) -> str:
        return await asyncio.to_thread(crew.app, "jobs", *arguments)

    assert str(later.job_id) in await app("list", "--state", "delayed")
    listed = await app("list")
    assert str(revived.job_id) in listed
    assert str(discarded.job_id) in listed
    assert str(later.job_id) not in listed
    shown = await app("show", str(revived.job_id))
    assert "failure 4" in shown
    assert revived.name in shown

    await app("retry", str(revived.job_id))
    await app("discard", str(discarded.job_id))
    await app("cancel", str(later.job_id))
    for order in (revived, discarded, later):
        await until(lambda order=order: crew.state(order.job_id) == "gone")  # type: ignore[misc]
    assert crew.effects([revived, discarded, later]) == once_each([revived])
    assert (
        journal.last("told", later.name).detail == f"{tenants.external_id(tenant.name)}: cancelled"
    )
