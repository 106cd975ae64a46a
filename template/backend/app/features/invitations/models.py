from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.orm import Base, Identified


class Invitation(Identified, Base):
    """Somebody who was asked to join an organization, and what became of it."""

    __tablename__ = "invitations"

    org_id: Mapped[UUID] = mapped_column(
        ForeignKey("organizations.id"), primary_key=True, server_default=FetchedValue()
    )
    email: Mapped[str]
    role: Mapped[str]
    invited_by: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id"), server_default=FetchedValue(), index=True
    )
    token_hashes: Mapped[list[bytes]] = mapped_column(
        ARRAY(LargeBinary), server_default=FetchedValue()
    )
    asked_at: Mapped[list[datetime]] = mapped_column(
        ARRAY(DateTime(timezone=True)), server_default=FetchedValue()
    )
    sent_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
