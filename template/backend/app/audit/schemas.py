from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from app.inputs import Moment

Word = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which audit events are asked for; `actor` is a user's id, ours or theirs."""

    actor: Word = None
    action: Word = None
    table: Word = None
    since: Moment | None = None

    def given(self) -> dict[str, Any]:
        """Those that were given, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


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
