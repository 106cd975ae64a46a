"""One run of a task: a tenant's session and files, progress, and events to its browsers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import choices
from app.database import Session
from app.realtime.events import Channel
from app.statements import first
from app.storage import Files, Storage
from app.tenancy.session import transaction

_PROGRESSED = text("""
    update app.outbox set attempts = 1 where id = :id and worker_id = :worker_id returning id
""")


class JobGone(Exception):  # noqa: N818  # an outcome, not a fault
    """The job is finished, discarded, or in the hands of another worker."""


class TenantNotReady(Exception):  # noqa: N818  # an outcome, not a fault
    """The tables of the job's tenant are being made or migrated: the job has to wait."""


class Job:
    """What a task gets to work with. Its sessions see the tenant that enqueued the job."""

    def __init__(
        self,
        job_id: UUID,
        worker_id: UUID,
        request_id: str,
        engine: AsyncEngine,
        channel: Channel,
        storage: Storage,
        place: UUID | None = None,
    ) -> None:
        self.place = place
        self.id = job_id
        self.request_id = request_id
        self._worker_id = worker_id
        self._engine = engine
        self._channel = channel
        self._storage = storage
        self._tenant: UUID | None = None

    @property
    def files(self) -> Files:
        """The files of the tenant, once a transaction of this job has proven who that is."""
        if self._tenant is None:
            raise RuntimeError("ask for files after a transaction of this job, not before")
        return self._storage.of(self._tenant)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """A transaction in the name of the person and the tenant that enqueued the job.

        Raises:
            JobGone: this worker does not hold the job any more, so nothing proves the tenant.
            TenantNotReady: the tenant's tables are not what this code needs.
        """
        claims = {"job_id": str(self.id), "worker_id": str(self._worker_id)}
        if self.place is not None:
            claims["place"] = str(self.place)
        async with transaction(self._engine, claims, self.request_id) as (session, standing):
            if standing.obstacle is not None:
                raise TenantNotReady(standing.obstacle)
            if standing.tenant_id is None:
                raise JobGone(str(self.id))
            self._tenant = standing.tenant_id
            yield session

    async def everywhere(self, statement: Executable) -> None:
        """Run a statement in each database of the product, in nobody's name: no rows are seen."""

        async def run(home: AsyncEngine) -> None:
            async with home.connect() as session:
                await session.execute(statement)

        await choices.tenancy.everywhere(self._engine, run)

    async def progressed(self, session: Session) -> None:
        """Say, with the commit of what was done, that the job came forward: earlier failures and
        crashes no longer count against it.

        Raises:
            JobGone: the job was given to another worker, who would do the same again.
        """  # noqa: D205
        still_mine = {"id": self.id, "worker_id": self._worker_id}
        if await first(session, _PROGRESSED, still_mine) is None:
            raise JobGone(str(self.id))

    async def publish(self, type_: str, data: dict[str, Any]) -> None:
        """Tell the tenant's browsers; call it after the commit that makes it true."""
        if self._tenant is None:
            raise RuntimeError("publish after a transaction of this job, not before")
        await self._channel.publish(self._tenant, type_, data)
