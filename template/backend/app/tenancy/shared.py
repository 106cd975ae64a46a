"""What the models have in common in which all tenants share one set of tables."""

from collections.abc import Mapping
from uuid import UUID

from app.database import Session

ENTER = "app.enter"
"""What opens a transaction in the name of a tenant."""

PROCESSES: Mapping[str, tuple[str, ...]] = {}
"""What has to run beside the API and the workers, by name: the words after `app`."""


def migrate_tenants(url: str) -> None:
    """Bring the tables of the tenants to the current version: there is one of each."""
    from app.migrations import upgrade

    upgrade(url, "tenant")


async def recycle(_session: Session, _tenant_id: UUID) -> None:
    """Nothing to do after a transaction: a connection knows the same tables for every tenant."""
