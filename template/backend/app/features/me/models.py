from sqlalchemy.orm import Mapped, mapped_column

from app.orm import Base, Identified


class User(Identified, Base):
    """A person, by the id that the sign-in provider gave them."""

    __tablename__ = "users"

    subject: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None]
    name: Mapped[str | None]
