"""Reading the audit trail of the tenant. The database writes it."""

from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Text,
    Uuid,
    bindparam,
    or_,
    select,
)

from app.audit.models import AuditEvent
from app.audit.schemas import AuditEventOut, Filters
from app.database import Session
from app.json_sql import json_object, json_page
from app.orm import table_of
from app.statements import scalar

EVENTS = table_of(AuditEvent)
LATER = EVENTS.c.id < bindparam("cursor", type_=Uuid)
"""What follows the cursor on a way from the newest event to the oldest."""


def conditions(events: FromClause, names: Iterable[str]) -> list[ColumnElement[bool]]:
    """What each of these filters asks of an event; its value is the parameter of its name."""
    actor = bindparam("actor", type_=Text)
    every: dict[str, ColumnElement[bool]] = {
        "actor": or_(events.c.actor == actor, events.c.actor_id.cast(Text) == actor),
        "action": events.c.action == bindparam("action", type_=Text),
        "table": events.c.table_name == bindparam("table", type_=Text),
        "since": events.c.occurred_at >= bindparam("since", type_=DateTime(timezone=True)),
    }
    return [every[name] for name in sorted(names)]


@cache
def _page(names: frozenset[str], *, later: bool) -> Any:
    rows = select(EVENTS.c.id, json_object(AuditEventOut, EVENTS).label("item"))
    rows = rows.where(*conditions(EVENTS, names))
    return json_page(rows.where(LATER) if later else rows)


async def list_events(
    session: Session, filters: Filters, *, limit: int, cursor: UUID | None
) -> str:
    """A page of audit events, newest first, as JSON."""
    given = filters.given()
    statement = _page(frozenset(given), later=cursor is not None)
    place = {} if cursor is None else {"cursor": cursor}
    page: str = await scalar(session, statement, {"limit": limit, **place, **given})
    return page
