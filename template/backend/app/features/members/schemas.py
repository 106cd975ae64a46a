from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from app.auth.permissions import Role


class MemberOut(BaseModel):
    """A member of the caller's organization."""

    id: UUID
    user_id: UUID
    name: str | None
    email: str | None
    role: str
    created_at: datetime


class MemberPage(BaseModel):
    """Members, newest first."""

    items: list[MemberOut]
    next_cursor: UUID | None


class MemberChanges(BaseModel):
    """What is to change of a member."""

    model_config = ConfigDict(extra="forbid")

    role: Role
