from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.auth.permissions import Role
from app.features.contacts.rules import EMAIL, normalize_email


class NewInvitation(BaseModel):
    """Whom to ask to join, and as what."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, AfterValidator(normalize_email), Field(json_schema_extra=EMAIL)]
    role: Role = "member"


class InvitationOut(BaseModel):
    """An invitation. `sent_at` is when its last mail was handed over; null until then."""

    id: UUID
    email: str
    role: str
    status: Literal["open", "accepted", "revoked", "expired"]
    sent_at: datetime | None
    expires_at: datetime
    created_at: datetime


class InvitationPage(BaseModel):
    """Invitations, newest first."""

    items: list[InvitationOut]
    next_cursor: UUID | None


class Acceptance(BaseModel):
    """The token of an invitation's link."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(min_length=1, max_length=200)]


class Accepted(BaseModel):
    """Where the caller is a member now, and as what."""

    organization_id: UUID
    role: str
