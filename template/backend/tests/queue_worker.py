"""A worker with tasks of its own, for the tests of the queue: `python -m tests.queue_worker`.

What its tasks do is written to a journal: a file, because it must be known while servers are down.
"""

import asyncio
import os
import time
from pathlib import Path

import msgspec
from sqlalchemy import text

from app import jobs, worker
from app.choices import tenancy
from app.database import Session
from tests.choices import tenants

FOLDER = "TESTS_QUEUE_FOLDER"
"""The environment variable that says where the journal and the gates are."""

SCHEDULE = "TESTS_QUEUE_SCHEDULE"
"""The environment variable with the cron expression for the task `tick`; none if it is not set."""

# As in the imports: the guard moves in the same commit as the effect.
_DONE = text("select coalesce(max(done), 0) from test_guards where name = :name")
_GUARD = text(f"""
    insert into test_guards as g (name, done) values (:name, :step)
    on conflict ({tenancy.TENANT_COLUMN}, name) do update set done = :step where g.done = :step - 1
    returning done
""")
_EFFECT = text("insert into test_effects (name, step) values (:name, :step)")
_SEEN = text(tenants.SEEN)


class Entry(msgspec.Struct):
    """A line of the journal.

    Attributes:
        event: began, ended, failed, interrupted, refused, or told (by `on_failure`).
        name: What the job is called in its payload.
        detail: Why, or what the job saw.
        pid: The worker process.
        at: Seconds on the clock that all processes of a machine share.
    """

    event: str
    name: str
    detail: str
    pid: int
    at: float


class Work(msgspec.Struct):
    """What to do.

    Attributes:
        name: Nobody else's.
        steps: How many effects to leave, each in a transaction of its own.
        seconds: How long to think before each.
        is_gated: Whether to wait before the last step until the gate is opened.
        failures: How many attempts fail first.
        is_stubborn: Whether to try the next step even when interrupted.
    """

    name: str
    steps: int = 1
    seconds: float = 0.0
    is_gated: bool = False
    failures: int = 0
    is_stubborn: bool = False


def folder() -> Path:
    return Path(os.environ[FOLDER])


def note(event: str, name: str, detail: str = "") -> None:
    """Add a line to the journal: in one write, so that processes do not write into each other."""
    entry = Entry(event, name, detail, os.getpid(), time.monotonic())
    _append(folder() / "journal", msgspec.json.encode(entry) + b"\n")


def _append(path: Path, line: bytes) -> int:
    """Write at the end of a file and return its size."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, line)
        return os.fstat(file).st_size
    finally:
        os.close(file)


async def _tell(session: Session, work: Work, reason: str) -> None:
    tenant = await session.scalar(_SEEN)
    note("told", work.name, f"{tenant}: {reason}")


async def _work(job: jobs.Job, work: Work) -> None:
    note("began", work.name, str(job.id))
    try:
        await _attempt(job, work)
    except asyncio.CancelledError:
        note("interrupted", work.name)
        if work.is_stubborn:
            await _step(job, work, work.steps)
        raise
    except Exception as error:
        note("failed", work.name, str(error))
        raise
    note("ended", work.name)


async def _attempt(job: jobs.Job, work: Work) -> None:
    attempt = _append(folder() / f"{work.name}.attempts", b".")
    if attempt <= work.failures:
        raise ValueError(f"failure {attempt}")
    async with job.transaction() as session:
        done = await session.scalar(_DONE, {"name": work.name}) or 0
    for step in range(done + 1, work.steps + 1):
        await asyncio.sleep(work.seconds)
        while work.is_gated and step == work.steps and not (folder() / gate(work.name)).exists():
            await asyncio.sleep(0.02)
        await _step(job, work, step)


async def _step(job: jobs.Job, work: Work, step: int) -> None:
    try:
        async with job.transaction() as session:
            turn = {"name": work.name, "step": step}
            (await session.execute(_GUARD, turn)).one()
            await session.execute(_EFFECT, turn)
            await job.progressed(session)
    except jobs.JobGone:
        note("refused", work.name)
        raise


def gate(name: str) -> str:
    """The name of the file that lets a gated job go on."""
    return f"{name}.gate"


work = jobs.task("tests.work", Work, on_failure=_tell)(_work)
limited = jobs.task("tests.limited", Work, per_tenant=2)(_work)
keyed = jobs.task("tests.keyed", Work, key=lambda work: work.name)(_work)
brief = jobs.task("tests.brief", Work, attempts=1, timeout=1.0, on_failure=_tell)(_work)
fragile = jobs.task(
    "tests.fragile", Work, attempts=4, backoff=jobs.Backoff(first=0.5), on_failure=_tell
)(_work)


class Note(msgspec.Struct):
    """Something to write into the journal."""

    name: str


@jobs.task("tests.note", Note)
async def take_note(_: jobs.Job, payload: Note) -> None:
    """The least that a job can do and be noticed."""
    note("ended", payload.name)


class Look(msgspec.Struct):
    """Look whose rows there are."""

    name: str


@jobs.task("tests.look", Look)
async def look(job: jobs.Job, payload: Look) -> None:
    """Write down which tenants can be seen."""
    async with job.transaction() as session:
        note("ended", payload.name, str(await session.scalar(_SEEN)))


class Tick(msgspec.Struct):
    """There is nothing to say."""


@jobs.task("tests.tick", Tick)
async def tick(job: jobs.Job, _: Tick) -> None:
    """Write down that it was run, and for which job."""
    note("ended", "tick", str(job.id))


def main() -> None:
    """Run a worker process that has these tasks too."""
    cron = os.environ.get(SCHEDULE)
    if cron:
        jobs.every(cron, tick, Tick())
    worker.main()


if __name__ == "__main__":
    main()
