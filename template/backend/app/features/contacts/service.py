"""Contacts of the tenant that the session can see."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, delete, func, insert, literal, or_, select, update

from app.database import Session
from app.features.contacts.models import Contact
from app.features.contacts.schemas import ContactChanges, ContactOut, NewContact
from app.json_sql import json_object, json_page, json_text
from app.orm import table_of
from app.security.problems import Problem
from app.statements import scalar

_contacts = table_of(Contact)
_as_json = json_text(json_object(ContactOut, _contacts))
_by_id = Contact.id == bindparam("contact_id", type_=Uuid)

_GET = select(_as_json).where(_by_id)
_CREATE = insert(_contacts).returning(_as_json)
_UPDATE = update(_contacts).where(_by_id).returning(_as_json)
_DELETE = delete(_contacts).where(_by_id).returning(Contact.id)

# Sorts behind every text that begins with the same letters.
_LAST_CHARACTER = literal("\U0010ffff", Text)


@cache
def _page(*, search: bool, later: bool) -> Any:
    """The statement for a page. Ranges, and not LIKE: LIKE is not leakproof, so under row level
    security it would not use an index.
    """  # noqa: D205
    rows = select(_contacts.c.id, json_object(ContactOut, _contacts).label("item"))
    if search:
        begin = func.lower(bindparam("q", type_=Text))
        rows = rows.where(
            or_(
                *(
                    column.between(begin, begin.concat(_LAST_CHARACTER))
                    for column in (_contacts.c.name_search, _contacts.c.email)
                )
            )
        )
    if later:
        rows = rows.where(_contacts.c.id < bindparam("cursor", type_=Uuid))
    return json_page(rows)


async def list_contacts(session: Session, *, limit: int, cursor: UUID | None, q: str | None) -> str:
    """A page of contacts, newest first, as JSON; `q` is how a name or an email begins."""
    statement = _page(search=bool(q), later=cursor is not None)
    parameters = {"limit": limit, "cursor": cursor, "q": q}
    used = {name: value for name, value in parameters.items() if value not in {None, ""}}
    page: str = await scalar(session, statement, used)
    return page


async def create_contact(session: Session, new: NewContact) -> str:
    """Add a contact, and return it as JSON."""
    return str(await scalar(session, _CREATE, new.model_dump()))


async def get_contact(session: Session, contact_id: UUID) -> str:
    """One contact as JSON, or 404."""
    return str(_found(await scalar(session, _GET, {"contact_id": contact_id})))


async def update_contact(session: Session, contact_id: UUID, changes: ContactChanges) -> str:
    """Change a contact, and return it as JSON, or 404."""
    values = changes.model_dump(exclude_unset=True)
    if not values:
        return await get_contact(session, contact_id)
    statement = _UPDATE.values(**values)
    return str(_found(await session.scalar(statement, {"contact_id": contact_id})))


async def delete_contact(session: Session, contact_id: UUID) -> None:
    """Delete a contact, or 404."""
    _found(await scalar(session, _DELETE, {"contact_id": contact_id}))


def _found(result: Any) -> Any:
    if result is None:
        raise Problem(404, "Not found", "There is no such contact.")
    return result
