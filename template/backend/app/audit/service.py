"""Reading the audit trail of the tenant. The database writes it."""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, bindparam, or_, select

from app.audit.models import AuditEvent
from app.audit.schemas import AuditEventOut
from app.database import Session
from app.json_sql import json_object, json_page
from app.orm import table_of
from app.statements import scalar

_events = table_of(AuditEvent)
_FILTERS = {
    "cursor": _events.c.id < bindparam("cursor", type_=Uuid),
    "actor": or_(
        _events.c.actor == bindparam("actor", type_=Text),
        _events.c.actor_id.cast(Text) == bindparam("actor", type_=Text),
    ),
    "action": _events.c.action == bindparam("action", type_=Text),
    "table": _events.c.table_name == bindparam("table", type_=Text),
    "since": _events.c.occurred_at >= bindparam("since", type_=DateTime(timezone=True)),
}


@cache
def _page(filters: frozenset[str]) -> Any:
    rows = select(_events.c.id, json_object(AuditEventOut, _events).label("item"))
    return json_page(rows.where(*(_FILTERS[name] for name in sorted(filters))))


async def list_events(
    session: Session,
    *,
    limit: int,
    cursor: UUID | None,
    actor: str | None,
    action: str | None,
    table: str | None,
    since: datetime | None,
) -> str:
    """A page of audit events, newest first, as JSON. `actor` is a user's id, ours or theirs."""
    given = {"cursor": cursor, "actor": actor, "action": action, "table": table, "since": since}
    used = {name: value for name, value in given.items() if value is not None}
    page: str = await scalar(session, _page(frozenset(used)), {"limit": limit, **used})
    return page
