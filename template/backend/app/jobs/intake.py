"""Takes in jobs that other programs put into the queue, in the name of the person they act for.

Such a program holds the queue's password and no database's. What it may ask for is what the person
whose token it sends may ask for, and only tasks that declare a permission can be asked for at all.
"""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.dependencies import closed, principal_of
from app.auth.errors import InvalidToken
from app.auth.verifier import TokenVerifier
from app.jobs.outbox import enqueue
from app.jobs.queue import Accept, Refused
from app.jobs.tasks import TASKS, Task
from app.tenancy.session import transaction

log = structlog.get_logger()


def acceptor(engine: AsyncEngine, verifier: TokenVerifier) -> Accept:
    """What the queue calls for each such job."""

    async def accept(token: str, task_name: str, payload: Any) -> UUID:
        try:
            identity = await verifier.verify(token)
        except InvalidToken as error:
            raise Refused(f"the token is not acceptable: {error.detail}") from error
        task = TASKS.get(task_name)
        if task is None or task.permission is None:
            raise Refused(f"no task {task_name!r} can be asked for from outside")
        told = _read(task, payload)
        request_id = uuid4().hex
        async with transaction(engine, identity.claims(), request_id) as (session, standing):
            if (problem := closed(standing)) is not None:
                raise Refused(f"{problem.title}: {problem.detail}")
            if task.permission not in principal_of(identity, standing).permissions:
                raise Refused(f"{task_name} needs the permission {task.permission}")
            job_id = await enqueue(session, task, told)
        log.info("intake.accepted", task=task_name, job_id=str(job_id), request_id=request_id)
        return job_id

    return accept


def _read(task: Task[Any], payload: Any) -> msgspec.Struct:
    try:
        told: msgspec.Struct = msgspec.convert(payload, task.payload)
    except msgspec.ValidationError as error:
        raise Refused(f"the payload does not fit {task.name}: {error}") from error
    return told
