"""What the worker does with an uploaded file."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import compress, islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app import jobs
from app.choices import tenancy
from app.database import Session
from app.features.imports.csv_file import HEADER, Batch, Row, count_rows, read_batches
from app.settings import get_settings
from app.statements import first, scalar
from app.storage import Files

# If the server crashes and forgets a chunk's commit, it forgets rows and progress together, and the
# job goes on from there; the last commit waits for the disk. The server sees no deadlock of two
# imports in one of which a chunk waits for the one before it: the timeout ends that.
_HURRY = text("""
    select set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '30s', true)
""")
_AS_JSON = """
    json_build_object('import_id', id, 'status', status, 'rows_total', rows_total,
        'rows_done', rows_done, 'rows_rejected', rows_rejected, 'error', error)
"""
_BEGIN = text("""
    update imports
    set status = 'running', started_at = coalesce(started_at, now()),
        finished_at = null, error = null
    where id = :import_id and status <> 'succeeded'
    returning rows_done, rows_total
""")
_COUNTED = text("update imports set rows_total = :rows_total where id = :import_id")

# The commit that advances the import holds the rows themselves, and goes through only where the
# chunk before it left off: that is what makes the effect happen exactly once.
_ADVANCE = text(
    f"""
    update imports set rows_done = :done, rows_rejected = rows_rejected + :rejected
    where id = :import_id and rows_done = :before and status = 'running'
    returning {_AS_JSON}
"""  # noqa: S608  # both halves stand here
)
_FINISH = text("""
    update imports set status = 'succeeded', rows_total = rows_done, finished_at = now()
    where id = :import_id and status = 'running'
""")
_FAIL = text("""
    update imports set status = 'failed', error = :reason, finished_at = now()
    where id = :import_id and status in ('queued', 'running')
""")
_PROGRESS = text(
    f"select {_AS_JSON} from imports where id = :import_id"  # noqa: S608  # both halves stand here
)
# A chunk travels as one text for each column, its fields parted by a character that none of them
# holds. COPY is refused under row level security, and a temporary table would be one more copy. The
# tenant is named, because a default is worked out anew for every row.
_INSERT = f"""
    insert into contacts ({tenancy.TENANT_COLUMN}, id, name, email, company, amount)
    select (select app.default_tenant_id()), app.uuid_v7_nth((select app.uuid_v7()), r.n),
        r.name, r.email, coalesce(r.company, ''), cast(r.amount as numeric)
    from rows from (
        string_to_table(:name, chr(31)), string_to_table(:email, chr(31)),
        string_to_table(:company, chr(31)), string_to_table(:amount, chr(31))
    ) with ordinality as r (name, email, company, amount, n)
"""  # noqa: S608  # the column's name is ours
_ACCEPT_ALL = text(_INSERT)
_ACCEPT_NEW = text(
    f"""
    with accepted as ({_INSERT} on conflict do nothing returning email)
    select s.n from string_to_table(:email, chr(31)) with ordinality as s (email, n)
    left join accepted a on a.email = s.email collate "C"
    where a.email is null
"""  # noqa: S608  # both halves stand here
)
_REJECT = text("""
    insert into import_rejections (import_id, row_no, line, column_name, reason, fields)
    select :import_id, r.row_no, r.line, r.column_name, r.reason, r.fields
    from jsonb_to_recordset(cast(:rows as jsonb))
        as r (row_no bigint, line bigint, column_name text, reason text, fields jsonb)
""")

# Rows that are looked at together: so few that the garbage collector sees no reason to begin.
_AT_ONCE = 250
_SEPARATOR = "\x1f"
_DUPLICATE = "belongs to another contact already"


class RunImport(msgspec.Struct):
    """Which import to run."""

    import_id: UUID


class _Chunk(NamedTuple):
    """Rows that are imported in one transaction."""

    before: int
    last: int
    contacts: list[tuple[Batch, Sequence[int]]]  # by their places
    fields: dict[str, str]
    rejected: list[dict[str, Any]]


async def _fail(session: Session, payload: RunImport, reason: str) -> None:
    await session.execute(_FAIL, {"import_id": payload.import_id, "reason": reason})


@jobs.task(
    "imports.run",
    RunImport,
    per_tenant=2,
    key=lambda payload: str(payload.import_id),
    permission="imports:write",
    on_failure=_fail,
)
async def run_import(job: jobs.Job, payload: RunImport) -> None:
    """Import the rows of a file, chunk by chunk, from wherever an earlier run stopped."""
    settings = get_settings()
    name = file_of(payload.import_id)
    target = {"import_id": payload.import_id}

    async with job.transaction() as session:
        begun = (await session.execute(_BEGIN, target)).one_or_none()
    if begun is None:
        await _publish(job, payload)
        return
    if begun.rows_total is None:
        rows_total = await asyncio.to_thread(_count, job.files, name)
        async with job.transaction() as session:
            await session.execute(_COUNTED, target | {"rows_total": rows_total})
    await _publish(job, payload)

    at_once = min(_AT_ONCE, settings.import_chunk_rows)
    batches = read_batches(job.files.open(name), at_once, after=begun.rows_done)
    await _write(job, payload, _chunks(batches, settings.import_chunk_rows // at_once))

    async with job.transaction() as session:
        await session.execute(_FINISH, target)
        progress = await session.scalar(_PROGRESS, target)
    await job.publish("import.progress", progress)


def _count(files: Files, name: str) -> int:
    return count_rows(lambda: files.open(name))


def file_of(import_id: UUID) -> str:
    """The name of an import's file among the files of its tenant."""
    return f"imports/{import_id}.csv"


def _chunks(batches: Iterator[Batch], size: int) -> Iterator[_Chunk]:
    """The rows in chunks of so many batches, each ready to be written.

    An email of the chunk before is refused right here: the two are written at the same time, and
    neither may wait for the other to end.
    """
    earlier: set[str] = set()
    while taken := list(islice(batches, size)):
        emails: set[str] = set()
        chunk = _Chunk(taken[0].before, taken[-1].last, [], {}, [])
        texts: list[list[str]] = [[] for _ in HEADER]
        for batch in taken:
            (places, columns), refused = batch.examine()
            chunk.rejected.extend(_rejected(row) for row in refused)
            own = columns[HEADER.index("email")]
            unique = set(own)
            if not (
                len(unique) == len(own) and unique.isdisjoint(emails) and unique.isdisjoint(earlier)
            ):
                is_new = _is_new(own, emails | earlier)
                again = batch.rows(compress(places, (not new for new in is_new)))
                chunk.rejected.extend(_rejected(row, "email", _DUPLICATE) for row in again)
                places = list(compress(places, is_new))
                columns = [list(compress(column, is_new)) for column in columns]
            emails |= unique
            if places:
                chunk.contacts.append((batch, places))
                for parts, column in zip(texts, columns, strict=True):
                    parts.append(_SEPARATOR.join(column))
        chunk.fields.update(zip(HEADER, map(_SEPARATOR.join, texts), strict=True))
        earlier = emails
        yield chunk


def _is_new(emails: Sequence[str], earlier: set[str]) -> list[bool]:
    """Of each email, whether it was not there before."""
    seen = set(earlier)
    is_new = []
    for email in emails:
        is_new.append(email not in seen)
        seen.add(email)
    return is_new


async def _write(job: jobs.Job, payload: RunImport, chunks: Iterator[_Chunk]) -> None:
    """Write the chunks, two at a time: the next is read once the first of two is committed."""
    last: asyncio.Task[None] | None = None
    try:
        async with asyncio.TaskGroup() as group:
            while chunk := await asyncio.to_thread(next, chunks, None):
                before, last = last, group.create_task(_import(job, payload, chunk, last))
                if before:
                    await before
    except ExceptionGroup as failed:
        # Whoever waits for a chunk that failed fails with the same error.
        raise failed.exceptions[0] from None


async def _import(
    job: jobs.Job, payload: RunImport, chunk: _Chunk, before: asyncio.Task[None] | None
) -> None:
    try:
        progress = await _commit(job, payload, chunk, before, _accept_all)
    except IntegrityError:
        # Looking for conflicts costs as much as a third of the insert, and few chunks have one.
        progress = await _commit(job, payload, chunk, before, _accept_new)
    await job.publish("import.progress", progress)


async def _commit(
    job: jobs.Job,
    payload: RunImport,
    chunk: _Chunk,
    before: asyncio.Task[None] | None,
    accept: Callable[[Session, _Chunk], Awaitable[list[Row]]],
) -> dict[str, Any]:
    target = {"import_id": payload.import_id}
    async with job.transaction() as session:
        await first(session, _HURRY, {})
        known = await accept(session, chunk) if chunk.contacts else []
        rejected = chunk.rejected + [_rejected(row, "email", _DUPLICATE) for row in known]
        if rejected:
            await session.execute(_REJECT, target | {"rows": json.dumps(rejected)})
        if before:
            await before
        advance = {"before": chunk.before, "done": chunk.last, "rejected": len(rejected)}
        progress: dict[str, Any] | None = await scalar(session, _ADVANCE, target | advance)
        if progress is None:
            raise jobs.JobGone(f"another worker is ahead with import {payload.import_id}")
        await job.progressed(session)
    return progress


async def _accept_all(session: Session, chunk: _Chunk) -> list[Row]:
    """Insert the contacts, none of which may have an email that exists already."""
    await session.execute(_ACCEPT_ALL, chunk.fields)
    return []


async def _accept_new(session: Session, chunk: _Chunk) -> list[Row]:
    """Insert contacts; return the rows whose email exists already."""
    refused = await session.execute(_ACCEPT_NEW, chunk.fields)
    return _rows(chunk, {n for (n,) in refused})


def _rows(chunk: _Chunk, numbers: set[int]) -> list[Row]:
    """Rows by their numbers among the contacts of a chunk."""
    found: list[Row] = []
    number = 1
    for batch, places in chunk.contacts:
        asked = (place for n, place in enumerate(places, number) if n in numbers)
        found += batch.rows(asked)
        number += len(places)
    return found


def _rejected(row: Row, column: str | None = None, reason: str | None = None) -> dict[str, Any]:
    if row.rejection:
        column, reason = row.rejection.column, row.rejection.reason
    return {
        "row_no": row.number,
        "line": row.line,
        "column_name": column,
        "reason": reason,
        # JSON in Postgres cannot hold NUL; its picture can stand for it.
        "fields": [field.replace("\0", "\u2400") for field in row.fields],
    }


async def _publish(job: jobs.Job, payload: RunImport) -> None:
    async with job.transaction() as session:
        progress = await session.scalar(_PROGRESS, {"import_id": payload.import_id})
    await job.publish("import.progress", progress)
