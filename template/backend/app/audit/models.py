from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.orm import Base


class AuditEvent(Base):
    """One recorded change. Written by triggers, or by `audit.record_event`; never from here."""

    __tablename__ = "events"
    __table_args__ = {"schema": "audit"}  # noqa: RUF012  # SQLAlchemy's own form

    id: Mapped[UUID] = mapped_column(primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID | None]
    actor_id: Mapped[UUID | None]
    actor: Mapped[str | None]
    api_key_id: Mapped[UUID | None]
    login: Mapped[str]
    request_id: Mapped[str | None]
    action: Mapped[str]
    table_name: Mapped[str | None]
    row_id: Mapped[UUID | None]
    old: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    new: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
