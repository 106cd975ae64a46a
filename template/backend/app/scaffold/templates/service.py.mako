"""${names.words.capitalize()} of the tenant that the session can see."""

from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, insert, select, update

from app.database import Session
from app.features.${names.table}.models import ${names.model}
from app.features.${names.table}.schemas import ${names.model}Changes, ${names.model}Out, New${names.model}
from app.json_sql import json_object, json_page, json_text
from app.orm import table_of
from app.security.problems import Problem
from app.statements import scalar

_${names.table} = table_of(${names.model})
_as_object = json_object(${names.model}Out, _${names.table})
_as_json = json_text(_as_object)
_by_id = ${names.model}.id == bindparam("row_id", type_=Uuid)
_rows = select(_${names.table}.c.id, _as_object.label("item"))

_FIRST_PAGE = json_page(_rows)
_LATER_PAGE = json_page(_rows.where(_${names.table}.c.id < bindparam("cursor", type_=Uuid)))
_GET = select(_as_json).where(_by_id)
_CREATE = insert(_${names.table}).returning(_as_json)
_UPDATE = update(_${names.table}).where(_by_id).returning(_as_json)
_DELETE = delete(_${names.table}).where(_by_id).returning(${names.model}.id)


async def list_${names.table}(session: Session, *, limit: int, cursor: UUID | None) -> str:
    """A page of ${names.words}, newest first, as JSON."""
    if cursor is None:
        return str(await scalar(session, _FIRST_PAGE, {"limit": limit}))
    return str(await scalar(session, _LATER_PAGE, {"limit": limit, "cursor": cursor}))


async def create_${names.one}(session: Session, new: New${names.model}) -> str:
    """Add one, and return it as JSON."""
    return str(await scalar(session, _CREATE, new.model_dump()))


async def get_${names.one}(session: Session, ${names.one}_id: UUID) -> str:
    """One as JSON, or 404."""
    return str(_found(await scalar(session, _GET, {"row_id": ${names.one}_id})))


async def update_${names.one}(session: Session, ${names.one}_id: UUID, changes: ${names.model}Changes) -> str:
    """Change one, and return it as JSON, or 404."""
    values = changes.model_dump(exclude_unset=True)
    if not values:
        return await get_${names.one}(session, ${names.one}_id)
    statement = _UPDATE.values(values)
    return str(_found(await session.scalar(statement, {"row_id": ${names.one}_id})))


async def delete_${names.one}(session: Session, ${names.one}_id: UUID) -> None:
    """Delete one, or 404."""
    _found(await scalar(session, _DELETE, {"row_id": ${names.one}_id}))


def _found(result: Any) -> Any:
    if result is None:
        raise Problem(404, "Not found", "There is no such ${names.word}.")
    return result
