"""What the models have in common in which all tenants share one set of tables."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Session

__all__ = [
    "CHECKS",
    "ENTER",
    "HOMES",
    "PROCESSES",
    "REVISIONS",
    "make_place",
    "migrate_tenants",
    "readings",
    "recycle",
    "remove_place",
    "schema_of",
]

ENTER = "app.enter"
"""What opens a transaction in the name of a tenant."""

PROCESSES: Mapping[str, tuple[str, ...]] = {}
"""What has to run beside the API and the workers, by name: the words after `app`."""

HOMES = "^public$"
"""The names of the schemas in which tenants have tables, as a regular expression."""

REVISIONS = "select unnest(app.schema_versions())"
"""Which migrations the tables of the tenant `%(tenant)s` came to."""

CHECKS: tuple[tuple[str, str, str], ...] = ()
"""What the doctor checks beyond row level security: name, reason, query."""


def migrate_tenants(url: str) -> None:
    """Bring the tables of the tenants to the current version: there is one of each."""
    from app.migrations import upgrade

    upgrade(url, "tenant")


def schema_of(_tenant_id: UUID) -> str:
    """The schema in which a tenant's tables are."""
    return "public"


def make_place(_url: str, _tenant_id: UUID) -> None:
    """Nothing to make for a new tenant: its tables are there."""


def remove_place(_owner: psycopg.Connection, _tenant_id: UUID) -> None:
    """Nothing to remove of a deleted tenant but its rows."""


def readings(_engine: AsyncEngine) -> Mapping[str, Callable[[], Awaitable[int]]]:
    """What /readyz tells about tenants: nothing, they are served together or not at all."""
    return {}


async def recycle(_session: Session, _tenant_id: UUID) -> None:
    """Nothing to do after a transaction: a connection knows the same tables for every tenant."""
