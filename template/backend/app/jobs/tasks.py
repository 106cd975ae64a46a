"""The tasks that a worker can run, by name."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from app.auth.permissions import Permission
    from app.database import Session
    from app.jobs.job import Job

PayloadT = TypeVar("PayloadT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a failed job waits: exponential, with jitter so that jobs do not march in step.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Attributes:
        first: Seconds after the first failure, at most; doubled by each further one.
        longest: Seconds that no wait exceeds.
    """

    first: float = 2.0
    longest: float = 600.0

    def after(self, attempt: int) -> float:
        """Seconds to wait after this many failed attempts: between half and all of the limit."""
        limit: float = min(self.longest, self.first * 2.0 ** (attempt - 1))
        return limit / 2 + random.uniform(0, limit / 2)  # noqa: S311  # spreads load, hides nothing


@dataclass(frozen=True, slots=True)
class Task(Generic[PayloadT]):
    """A function that a worker runs, with the rules for running it. See `task`."""

    name: str
    payload: type[PayloadT]
    run: Callable[["Job", PayloadT], Awaitable[None]]
    attempts: int
    backoff: Backoff
    timeout: float
    per_tenant: int | None
    key: Callable[[PayloadT], str] | None
    permission: "Permission | None"
    on_failure: Callable[["Session", PayloadT, str], Awaitable[None]] | None


TASKS: dict[str, Task[Any]] = {}


class Unrecoverable(Exception):  # noqa: N818  # an outcome of a task, not a fault of the program
    """Raised by a task that would fail the same way again: no retry, a dead letter at once."""


def task(
    name: str,
    payload: type[PayloadT],
    *,
    attempts: int = 10,
    backoff: Backoff = Backoff(),
    timeout: float = 3600.0,
    per_tenant: int | None = None,
    key: Callable[[PayloadT], str] | None = None,
    permission: "Permission | None" = None,
    on_failure: Callable[["Session", PayloadT, str], Awaitable[None]] | None = None,
) -> Callable[[Callable[["Job", PayloadT], Awaitable[None]]], Task[PayloadT]]:
    """Declare the function below as a task.

    Delivery is at least once: a task may start again after any of its statements, and must then
    continue rather than repeat.

    Args:
        name: Kept in the database with every job; renaming it orphans the jobs that wait.
        payload: What the task is told, as a msgspec Struct of ids and plain values.
        attempts: How often it may fail without progress in between before it is a dead letter.
        backoff: How long it waits between two attempts.
        timeout: Seconds that one attempt may take.
        per_tenant: How many such jobs of one tenant may run at a time. Give it to
            every task that takes long, so that nobody's work holds up everybody else's.
        key: Of two unfinished jobs of a tenant with the same key, there is only one.
        permission: What its caller must be allowed to do if another program, which has the
            caller's token, puts such a job into the queue. Without one, nobody else can.
        on_failure: Runs in the transaction that makes the job a dead letter, or that ends it after
            it was cancelled, with the reason.
    """

    def declare(run: Callable[["Job", PayloadT], Awaitable[None]]) -> Task[PayloadT]:
        if name in TASKS:
            raise ValueError(f"two tasks are named {name!r}")
        declared = Task(
            name,
            payload,
            run,
            attempts,
            backoff,
            timeout,
            per_tenant,
            key,
            permission,
            on_failure,
        )
        TASKS[name] = declared
        return declared

    return declare
