from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.orm import Base, Identified


class ApiKey(Identified, Base):
    """A key with which programs act for the person who made it, in one tenant."""

    __tablename__ = "api_keys"
    __table_args__ = {"schema": "app"}  # noqa: RUF012  # SQLAlchemy's own form

    tenant_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    user_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    ending: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class ApiKeyUse(Base):
    """When a key was used last."""

    __tablename__ = "api_key_uses"
    __table_args__ = {"schema": "app"}  # noqa: RUF012  # SQLAlchemy's own form

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    used_at: Mapped[datetime]
