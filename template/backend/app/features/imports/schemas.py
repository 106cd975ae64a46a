from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

Status = Literal["queued", "running", "succeeded", "failed"]


class ImportAccepted(BaseModel):
    """The file is stored; a worker will read it."""

    id: UUID
    status: Status


class ImportOut(BaseModel):
    """How far an import is. `rows_total` is null until the worker has counted."""

    id: UUID
    status: Status
    file_name: str
    rows_total: int | None
    rows_done: int
    rows_rejected: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ImportPage(BaseModel):
    """Imports, newest first."""

    items: list[ImportOut]
    next_cursor: UUID | None
