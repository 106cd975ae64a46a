from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, FetchedValue, ForeignKeyConstraint, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.choices import tenancy
from app.orm import Base, Identified


class Import(tenancy.TenantTable, Identified, Base):
    """One uploaded CSV, and how far it is."""

    __tablename__ = "imports"
    __table_args__ = (UniqueConstraint(tenancy.TENANT_COLUMN, "idempotency_key"),)

    created_by: Mapped[UUID | None] = mapped_column(server_default=FetchedValue())
    file_name: Mapped[str]
    file_bytes: Mapped[int] = mapped_column(BigInteger)
    file_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    idempotency_key: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    rows_total: Mapped[int | None] = mapped_column(BigInteger)
    rows_done: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    rows_rejected: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    error: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportRejection(tenancy.TenantTable, Base):
    """A row of an import that did not become a contact, as it was read."""

    __tablename__ = "import_rejections"
    __table_args__ = (
        ForeignKeyConstraint(
            [tenancy.TENANT_COLUMN, "import_id"],
            [f"imports.{tenancy.TENANT_COLUMN}", "imports.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    row_no: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger)
    column_name: Mapped[str | None]
    reason: Mapped[str]
    fields: Mapped[list[Any]] = mapped_column(JSONB)
