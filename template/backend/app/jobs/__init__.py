"""Work that outlives a request: declare a task, enqueue it in the transaction that needs it."""

from app.jobs.job import Job, JobGone
from app.jobs.outbox import cancel, enqueue
from app.jobs.schedules import every
from app.jobs.tasks import Backoff, Task, Unrecoverable, task

__all__ = [
    "Backoff",
    "Job",
    "JobGone",
    "Task",
    "Unrecoverable",
    "cancel",
    "enqueue",
    "every",
    "task",
]
