"""The parent of every model."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, Table, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine


class Base(DeclarativeBase):
    """Describes tables that migrations have made; defaults and checks live in the database."""

    type_annotation_map: ClassVar[dict[type, TypeEngine[datetime] | TypeEngine[str]]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
    }


class Identified:
    """Mixin: a UUIDv7 key that the database makes, so newer rows sort behind older ones."""

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


def table_of(model: type[Base]) -> Table:
    """The table under a model, for statements that are built once and need no objects."""
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not mapped to a table")
    return table
