"""Brings every tenant's own place to the current version, several at a time.

A tenant that fails stops no other, keeps what it had, and is tried again by the next run; so is one
whose migration was interrupted. Nothing is done twice: each place knows its revision.
"""

import multiprocessing
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import psycopg_url
from app.revisions import earlier_revisions

__all__ = ["readings"]

AT_A_TIME = 4
"""So many tenants are migrated at a time: each takes one connection."""

_WORTH_PROCESSES = 8
"""Fewer tenants than this are done before a process has started."""

_COUNT_BEHIND = text("select app.count_tenants_behind(:earlier)")
_BEHIND = "select tenant_id from app.tenants_behind(%s)"
_IS_BEHIND = f"{_BEHIND} where tenant_id = %s"


class Places(Protocol):
    """Where tenants' own tables are: in schemas, or in databases."""

    def current(self) -> str:
        """The revision of a place that is up to date."""

    def bring(self, url: str, owner: psycopg.Connection, tenant_id: UUID) -> str:
        """Make a tenant's place if there is none, bring it up to date, and return its revision.

        It may have been interrupted anywhere before; it goes on from there.

        Args:
            url: The database in which the tenants are listed, as its owner.
            owner: A connection to it. Each statement commits by itself.
            tenant_id: Whose place.
        """


@dataclass(frozen=True)
class Failure:
    """A tenant whose migration failed, and why."""

    tenant_id: UUID
    reason: str


def readings(engine: AsyncEngine) -> Mapping[str, Callable[[], Awaitable[int]]]:
    """What /readyz tells: how many tenants are not served until they are migrated."""

    async def behind() -> int:
        async with engine.connect() as session:
            count = await session.scalar(_COUNT_BEHIND, {"earlier": list(earlier_revisions())})
        return int(count)

    return {"tenants_behind": behind}


def migrate_tenants(url: str, places: Places) -> None:
    """Migrate whoever is behind, with a progress bar on a terminal, and report.

    Raises:
        SystemExit: some failed; they are named, and all others are at the current version.
    """
    with psycopg.connect(psycopg_url(url), autocommit=True) as owner:
        behind = tenants_behind(owner, places)
    if not behind:
        return
    from rich.console import Console

    failures = list(_migrate_all(url, places, behind))
    console = Console(stderr=True, highlight=False)
    console.print(f"{len(behind) - len(failures)} of {len(behind)} tenants migrated.")
    if failures:
        for failure in failures:
            console.print(f"  {failure.tenant_id}: {failure.reason}", markup=False, soft_wrap=True)
        raise SystemExit(
            f"{len(failures)} tenant(s) could not be migrated and are not served until they are. "
            "Cure the reason above, then run `app migrate` again: it tries only these."
        )


def tenants_behind(owner: psycopg.Connection, places: Places) -> list[UUID]:
    """The tenants whose tables are not at the current version, or do not exist yet."""
    return [tenant_id for (tenant_id,) in owner.execute(_BEHIND, [places.current()])]


def migrate_tenant(url: str, places: Places, tenant_id: UUID) -> Failure | None:
    """Make a tenant's place if there is none, and bring its tables up to date.

    Two processes that come to the same tenant take turns, and the second finds nothing to do.
    """
    with psycopg.connect(psycopg_url(url), autocommit=True) as owner, turn(owner, tenant_id):
        if not owner.execute(_IS_BEHIND, [places.current(), tenant_id]).fetchall():
            return None
        try:
            revision = places.bring(url, owner, tenant_id)
        except Exception as error:  # noqa: BLE001  # whatever it is, the other tenants come next
            failure = Failure(tenant_id, str(error).strip() or type(error).__name__)
            _note(owner, tenant_id, None, failure.reason)
            return failure
        _note(owner, tenant_id, revision, None)
    return None


def make_place(url: str, places: Places, tenant_id: UUID) -> None:
    """Make the place of a new tenant now, rather than when the provisioner hears of it.

    Raises:
        SystemExit: it failed. The tenant exists; `app migrate` makes its place.
    """
    failure = migrate_tenant(url, places, tenant_id)
    if failure is not None:
        raise SystemExit(
            f"{tenant_id} is made, but its tables are not: {failure.reason}\n"
            "Cure the reason, then run `app migrate`."
        )


@contextmanager
def turn(owner: psycopg.Connection, tenant_id: UUID) -> Iterator[None]:
    """While this is open, nobody else makes, migrates, moves or removes the tenant's place."""
    key = f"migrate {tenant_id}"
    owner.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])
    try:
        yield
    finally:
        owner.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def _note(
    owner: psycopg.Connection, tenant_id: UUID, revision: str | None, reason: str | None
) -> None:
    owner.execute("select app.note_migration(%s, %s, %s)", [tenant_id, revision, reason])


def _migrate_all(url: str, places: Places, tenants: list[UUID]) -> Iterator[Failure]:
    # The API and the workers know this module, and show nothing.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("migrating tenants"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        bar = progress.add_task("", total=len(tenants))
        for outcome in _outcomes(url, places, tenants):
            progress.advance(bar)
            if outcome is not None:
                yield outcome


def _outcomes(url: str, places: Places, tenants: list[UUID]) -> Iterable[Failure | None]:
    if len(tenants) < _WORTH_PROCESSES:
        yield from (migrate_tenant(url, places, tenant_id) for tenant_id in tenants)
        return
    # Alembic's context is the process's own, so that threads would share it.
    with ProcessPoolExecutor(AT_A_TIME, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(migrate_tenant, url, places, tenant_id) for tenant_id in tenants]
        yield from (future.result() for future in as_completed(running))
