"""The outbox: jobs written in the transaction that needs them.

The row stays until its job is done, so the queue may crash, or lose everything, and the work still
happens.
"""

from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import text

from app import choices
from app.database import Session
from app.jobs.tasks import Task

PayloadT = TypeVar("PayloadT", bound=msgspec.Struct)

_ENQUEUE = text("""
    insert into app.outbox (task, payload, unique_key, max_running, run_after)
    values (:task, :payload, :key, :max_running,
            coalesce(:at, now() + coalesce(cast(:delay as interval), interval '0')))
    on conflict (tenant_id, task, unique_key) where unique_key is not null and failed_at is null
    do nothing
    returning id
""")
# A worker's login sees every tenant's jobs, so the tenant is said here.
_SAME_KEY = text("""
    select id from app.outbox
    where tenant_id = (select app.current_tenant_id())
      and task = :task and unique_key = :key and failed_at is null
""")
_CANCEL = text("select app.cancel_job(:id)")


async def enqueue(
    session: Session,
    task: Task[PayloadT],
    payload: PayloadT,
    *,
    delay: timedelta | None = None,
    at: datetime | None = None,
) -> UUID:
    """Write a job in the caller's transaction: it runs if, and only if, that commits.

    Args:
        session: The caller's session. The job will see what its tenant sees.
        task: What to run.
        payload: What to tell it.
        delay: How long the job waits first.
        at: When it may begin; instead of a delay.

    Returns:
        The job's id. If an unfinished job has the same key (see `task`), that one's.
    """
    record = {
        "task": task.name,
        "payload": msgspec.json.encode(payload).decode(),
        "key": task.key(payload) if task.key else None,
        "max_running": task.per_tenant,
        "delay": delay,
        "at": at,
    }
    await choices.tenancy.announce(session)
    while True:
        job_id: UUID | None = await session.scalar(_ENQUEUE, record)
        if job_id is None:
            # It may end between the two statements; then the key is free again.
            job_id = await session.scalar(_SAME_KEY, {"task": task.name, "key": record["key"]})
        if job_id is not None:
            return job_id


async def cancel(session: Session, job_id: UUID) -> bool:
    """Cancel a job of the session's tenant; False if it has ended already.

    It takes effect with the commit: a job that waits never runs, one that runs is interrupted
    within seconds. Either way its task's `on_failure` hears "cancelled", in a worker.
    """
    return bool(await session.scalar(_CANCEL, {"id": job_id}))
