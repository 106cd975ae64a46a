"""Brings every tenant's own schema to the current version, several at a time.

A tenant that fails stops no other, keeps what it had, and is tried again by the next run; so is one
whose migration was interrupted. Nothing is done twice: each schema knows its revision.
"""

import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import sql

from app.database import psycopg_url
from app.revisions import head

__all__ = ["make_place", "migrate_tenants", "remove_place", "schema_of"]

AT_A_TIME = 4
"""So many tenants are migrated at a time: each takes one connection."""

_WORTH_PROCESSES = 8
"""Fewer tenants than this are done before a process has started."""


@dataclass(frozen=True)
class Failure:
    """A tenant whose migration failed, and why."""

    tenant_id: UUID
    reason: str


def schema_of(tenant_id: UUID) -> str:
    """The name of a tenant's schema, and of its role."""
    return f"tenant_{tenant_id.hex}"


def migrate_tenants(url: str) -> None:
    """Migrate whoever is behind, with a progress bar on a terminal, and report.

    Raises:
        SystemExit: some failed; they are named, and all others are at the current version.
    """
    with psycopg.connect(psycopg_url(url), autocommit=True) as owner:
        behind = tenants_behind(owner)
    if not behind:
        return
    from rich.console import Console

    failures = list(_migrate_all(url, behind))
    console = Console(stderr=True, highlight=False)
    console.print(f"{len(behind) - len(failures)} of {len(behind)} tenants migrated.")
    if failures:
        for failure in failures:
            console.print(f"  {failure.tenant_id}: {failure.reason}", markup=False, soft_wrap=True)
        raise SystemExit(
            f"{len(failures)} tenant(s) could not be migrated and are not served until they are. "
            "Cure the reason above, then run `app migrate` again: it tries only these."
        )


def tenants_behind(owner: psycopg.Connection) -> list[UUID]:
    """The tenants whose tables are not at the current version, or do not exist yet."""
    query = "select tenant_id from app.schemas_behind(%s)"
    return [tenant_id for (tenant_id,) in owner.execute(query, [head("tenant")])]


def migrate_tenant(url: str, tenant_id: UUID) -> Failure | None:
    """Make a tenant's schema and role if there are none, and bring its tables up to date.

    Two processes that come to the same tenant take turns, and the second finds nothing to do.
    """
    from app.migrations import upgrade

    with psycopg.connect(psycopg_url(url), autocommit=True) as owner, _turn(owner, tenant_id):
        if tenant_id not in tenants_behind(owner):
            return None
        try:
            _make_place(owner, tenant_id)
            upgrade(url, "tenant", schema=schema_of(tenant_id))
        except Exception as error:  # noqa: BLE001  # whatever it is, the other tenants come next
            failure = Failure(tenant_id, str(error).strip() or type(error).__name__)
            _note(owner, tenant_id, None, failure.reason)
            return failure
        _note(owner, tenant_id, head("tenant"), None)
    return None


def make_place(url: str, tenant_id: UUID) -> None:
    """Make the schema of a new tenant now, rather than when the provisioner hears of it.

    Raises:
        SystemExit: it failed. The tenant exists; `app migrate` makes its schema.
    """
    failure = migrate_tenant(url, tenant_id)
    if failure is not None:
        raise SystemExit(
            f"{tenant_id} is made, but its schema is not: {failure.reason}\n"
            "Cure the reason, then run `app migrate`."
        )


def remove_place(owner: psycopg.Connection, tenant_id: UUID) -> None:
    """Remove the schema and the role of a tenant who is deleted, and has no rows left."""
    name = schema_of(tenant_id)
    place = sql.Identifier(name)
    with _turn(owner, tenant_id):
        owner.execute(sql.SQL("drop schema if exists {} cascade").format(place))
        owner.execute(sql.SQL("drop role if exists {}").format(place))


@contextmanager
def _turn(owner: psycopg.Connection, tenant_id: UUID) -> Iterator[None]:
    key = f"migrate {tenant_id}"
    owner.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [key])
    try:
        yield
    finally:
        owner.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [key])


def _make_place(owner: psycopg.Connection, tenant_id: UUID) -> None:
    name = schema_of(tenant_id)
    known = owner.execute(
        "select exists (select from pg_roles where rolname = %(name)s),"
        " exists (select from pg_namespace where nspname = %(name)s)",
        {"name": name},
    ).fetchone()
    has_role, has_schema = known or (False, False)
    place = sql.Identifier(name)
    with owner.transaction():
        if not has_role:
            owner.execute(sql.SQL("create role {} nologin").format(place))
            owner.execute(sql.SQL("grant app_tenant to {}").format(place))
            owner.execute(sql.SQL("grant {} to app_api, app_worker").format(place))
        if not has_schema:
            owner.execute(sql.SQL("create schema {}").format(place))
            owner.execute(sql.SQL("grant usage on schema {0} to {0}").format(place))


def _note(
    owner: psycopg.Connection, tenant_id: UUID, revision: str | None, reason: str | None
) -> None:
    owner.execute("select app.note_migration(%s, %s, %s)", [tenant_id, revision, reason])


def _migrate_all(url: str, tenants: list[UUID]) -> Iterator[Failure]:
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
        for outcome in _outcomes(url, tenants):
            progress.advance(bar)
            if outcome is not None:
                yield outcome


def _outcomes(url: str, tenants: list[UUID]) -> Iterable[Failure | None]:
    if len(tenants) < _WORTH_PROCESSES:
        yield from (migrate_tenant(url, tenant_id) for tenant_id in tenants)
        return
    # Alembic's context is the process's own, so that threads would share it.
    with ProcessPoolExecutor(AT_A_TIME, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(migrate_tenant, url, tenant_id) for tenant_id in tenants]
        yield from (future.result() for future in as_completed(running))
