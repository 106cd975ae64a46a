"""The tasks that a worker can run, by name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from app.database import Session
    from app.jobs.job import Job

PayloadT = TypeVar("PayloadT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Task(Generic[PayloadT]):
    """A function that a worker runs, with the rules for running it again."""

    name: str
    payload: type[PayloadT]
    run: Callable[["Job", PayloadT], Awaitable[None]]
    attempts: int
    timeout: float
    on_failure: Callable[["Session", PayloadT, str], Awaitable[None]] | None


TASKS: dict[str, Task[Any]] = {}


class Unrecoverable(Exception):  # noqa: N818  # an outcome of a task, not a fault of the program
    """Raised by a task that would fail the same way again: no retry, a dead letter at once."""


def task(
    name: str,
    payload: type[PayloadT],
    *,
    attempts: int = 10,
    timeout: float = 3600.0,
    on_failure: Callable[["Session", PayloadT, str], Awaitable[None]] | None = None,
) -> Callable[[Callable[["Job", PayloadT], Awaitable[None]]], Task[PayloadT]]:
    """Declare the function below as a task.

    Delivery is at least once: a task may start again after any of its statements, and must then
    continue rather than repeat.

    Args:
        name: Kept in the database with every job; renaming it orphans the jobs that wait.
        payload: What the task is told, as a msgspec Struct of ids and plain values.
        attempts: How often it may fail without progress in between before it is a dead letter.
        timeout: Seconds that one attempt may take.
        on_failure: Runs in the transaction that makes the job a dead letter, with the reason.
    """

    def declare(run: Callable[["Job", PayloadT], Awaitable[None]]) -> Task[PayloadT]:
        if name in TASKS:
            raise ValueError(f"two tasks are named {name!r}")
        declared = Task(name, payload, run, attempts, timeout, on_failure)
        TASKS[name] = declared
        return declared

    return declare
