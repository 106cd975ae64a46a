"""Pages of rows as JSON, newest first, for lists that are asked for by cursor alone."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import FromClause, Uuid, bindparam, select

from app.database import Session
from app.json_sql import json_object, json_page
from app.statements import scalar


class Pages:
    """The pages of a list.

    Args:
        schema: What an item looks like.
        source: The rows, with a column for each field of the schema; `id` says how new one is.
    """

    def __init__(self, schema: type[BaseModel], source: FromClause) -> None:
        rows = select(source.c.id, json_object(schema, source).label("item"))
        self._first = json_page(rows)
        self._later = json_page(rows.where(source.c.id < bindparam("cursor", type_=Uuid)))

    async def read(self, session: Session, *, limit: int, cursor: UUID | None) -> str:
        """The page after `cursor`, the `next_cursor` of the one before; None for the first."""
        parameters: dict[str, Any] = {"limit": limit}
        if cursor is None:
            return str(await scalar(session, self._first, parameters))
        return str(await scalar(session, self._later, {**parameters, "cursor": cursor}))
