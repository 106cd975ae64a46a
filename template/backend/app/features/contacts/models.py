from decimal import Decimal

from sqlalchemy import FetchedValue, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.choices import tenancy
from app.orm import Base, Identified


class Contact(tenancy.TenantTable, Identified, Base):
    """A person that the tenant deals with."""

    __tablename__ = "contacts"

    name: Mapped[str]
    name_search: Mapped[str] = mapped_column(server_default=FetchedValue())
    email: Mapped[str]
    company: Mapped[str] = mapped_column(server_default=FetchedValue())
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2), server_default=FetchedValue())
