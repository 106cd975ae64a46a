"""The audit trail of the tenant as a file, newest first, read a piece at a time.

A piece is so many events, wanted or not, in a transaction of its own: a slow reader holds no
connection, a filter that hardly anything fits makes no statement long, and memory does not grow.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from functools import cache
from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import (
    DateTime,
    FromClause,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import array

from app.audit.schemas import AuditEventOut, Filters
from app.audit.service import EVENTS, LATER, conditions
from app.auth.dependencies import Caller
from app.csv_cells import inert
from app.json_sql import json_object, json_text

Format: TypeAlias = Literal["ndjson", "csv"]
MEDIA_TYPES: dict[Format, str] = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
}

_PIECE = 1000
_COLUMNS = tuple(AuditEventOut.model_fields)
_RECORD = text("""
    select audit.record_event('audit.exported', cast(:detail as jsonb))
""")


async def begin(caller: Caller, form: Format, filters: Filters) -> None:
    """Record that the trail is exported: first, because an attempt counts too.

    Raises:
        Problem: the caller's tenant is not served now.
    """
    detail = {"format": form, "filters": filters.given()}
    async with caller.transaction() as session:
        await session.execute(_RECORD, {"detail": msgspec.json.encode(detail).decode()})


async def export(caller: Caller, form: Format, filters: Filters) -> AsyncIterator[str]:
    """The events that fit, as text to send on; each piece proves again who is asking.

    Raises:
        Problem: what the caller may do has changed meanwhile. The file ends without its end then.
    """
    given = filters.given()
    write = _WRITERS[form]
    if form == "csv":
        yield write([_COLUMNS])
    place: dict[str, UUID] = {}
    while True:
        statement = _piece(form, frozenset(given), later=bool(place))
        async with caller.transaction() as session:
            found = (await session.execute(statement, {**given, **place})).all()
        if wanted := [event for _, event in found if event is not None]:
            yield write(wanted)
        if len(found) < _PIECE:
            await caller.prove_again()
            return
        place = {"cursor": found[-1][0]}


@cache
def _piece(form: Format, names: frozenset[str], *, later: bool) -> Any:
    # The time alone is asked of what is read, and not of what was: it leaves out whole partitions.
    within = names & {"since"}
    read = select(EVENTS).where(*conditions(EVENTS, within))
    read = read.where(LATER) if later else read
    piece = read.order_by(EVENTS.c.id.desc()).limit(_PIECE).subquery("piece")
    fits = and_(true(), *conditions(piece, names - within))
    event = {"ndjson": _line, "csv": _cells}[form](piece)
    return select(piece.c.id, case((fits, event))).order_by(piece.c.id.desc())


def _line(events: FromClause) -> Any:
    return json_text(json_object(AuditEventOut, events))


def _cells(events: FromClause) -> Any:
    """The same values as text: times as JSON has them, rows as JSON."""
    return array(
        [
            func.to_json(column).op("#>>")(literal_column("'{}'"))
            if isinstance(column.type, DateTime)
            else cast(column, Text)
            for column in (events.c[name] for name in _COLUMNS)
        ]
    )


def _as_lines(events: Iterable[str]) -> str:
    return "".join(f"{event}\n" for event in events)


def _as_csv(events: Iterable[Iterable[str | None]]) -> str:
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\r\n").writerow
    for event in events:
        write([inert(cell or "") for cell in event])
    return buffer.getvalue()


_WRITERS: dict[Format, Callable[[Iterable[Any]], str]] = {"ndjson": _as_lines, "csv": _as_csv}
