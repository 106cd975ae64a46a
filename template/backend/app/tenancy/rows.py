"""Tenancy by rows: one set of tables, told apart by `org_id` and row level security."""

from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.orm import Mapped, mapped_column


class TenantTable:
    """Mixin of every model that belongs to a tenant.

    The database fills the column from the transaction's context and its policies check it, so
    application code neither reads nor writes it.
    """

    org_id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
