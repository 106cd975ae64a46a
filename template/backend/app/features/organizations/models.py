from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.orm import Base, Identified


class Organization(Identified, Base):
    """A tenant, by the id that the sign-in provider gave it."""

    __tablename__ = "organizations"

    external_id: Mapped[str] = mapped_column(unique=True)
    slug: Mapped[str]
    name: Mapped[str]


class Membership(Identified, Base):
    """Who belongs to which organization; removed ones stay as tombstones."""

    __tablename__ = "memberships"

    org_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str]
    role_as_of: Mapped[datetime]
    status: Mapped[str]
    removed_at: Mapped[datetime | None]
