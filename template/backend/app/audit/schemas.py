from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class AuditEventOut(BaseModel):
    """What changed, when, by whom."""

    id: UUID
    occurred_at: datetime
    tenant_id: UUID | None
    actor_id: UUID | None
    actor: str | None
    api_key_id: UUID | None
    login: str
    request_id: str | None
    action: str
    table_name: str | None
    row_id: UUID | None
    old: dict[str, Any] | None
    new: dict[str, Any] | None


class AuditPage(BaseModel):
    """Audit events, newest first."""

    items: list[AuditEventOut]
    next_cursor: UUID | None
