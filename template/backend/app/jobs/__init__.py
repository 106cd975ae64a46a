"""Work that outlives a request: declare a task, enqueue it in the transaction that needs it."""

from app.jobs.job import Job, JobGone
from app.jobs.outbox import enqueue
from app.jobs.tasks import Task, task

__all__ = ["Job", "JobGone", "Task", "enqueue", "task"]
