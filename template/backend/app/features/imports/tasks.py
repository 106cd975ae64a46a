"""What the worker does with an uploaded file."""

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from app import jobs
from app.database import Session, driver_of
from app.features.imports.csv_file import Row, count_rows, read_rows
from app.settings import get_settings
from app.storage import Files

_BEGIN = text("""
    update imports
    set status = 'running', started_at = coalesce(started_at, now()),
        finished_at = null, error = null
    where id = :import_id and status <> 'succeeded'
    returning rows_done, rows_total
""")
_COUNTED = text("update imports set rows_total = :rows_total where id = :import_id")

# The commit that advances the import holds the rows themselves, and the row lock lets one worker
# through at a time: that is what makes the effect happen exactly once.
_ADVANCE = text("""
    update imports set rows_done = :done, rows_rejected = rows_rejected + :rejected
    where id = :import_id and rows_done = :before and status = 'running'
    returning id
""")
_REJECTED_BY_DATABASE = text("""
    update imports set rows_rejected = rows_rejected + :rejected where id = :import_id
""")
_FINISH = text("""
    update imports set status = 'succeeded', rows_total = rows_done, finished_at = now()
    where id = :import_id and status = 'running'
""")
_FAIL = text("""
    update imports set status = 'failed', error = :reason, finished_at = now()
    where id = :import_id and status in ('queued', 'running')
""")
_PROGRESS = text("""
    select json_build_object('import_id', id, 'status', status, 'rows_total', rows_total,
        'rows_done', rows_done, 'rows_rejected', rows_rejected, 'error', error)
    from imports where id = :import_id
""")
_STAGE = text("""
    create temporary table staged (
        row_no bigint, name text, email text collate "C", company text, amount numeric
    ) on commit drop
""")
_COPY = "copy staged (row_no, name, email, company, amount) from stdin"
_ACCEPT = text("""
    with accepted as (
        insert into contacts (id, name, email, company, amount)
        select app.uuid_v7_nth((select app.uuid_v7()), row_number() over (order by row_no)),
               name, email, company, amount
        from staged
        on conflict do nothing
        returning email
    )
    select s.row_no from staged s left join accepted a on a.email = s.email where a.email is null
""")
_REJECT = text("""
    insert into import_rejections (import_id, row_no, line, column_name, reason, fields)
    select :import_id, r.row_no, r.line, r.column_name, r.reason, r.fields
    from jsonb_to_recordset(cast(:rows as jsonb))
        as r (row_no bigint, line bigint, column_name text, reason text, fields jsonb)
""")

_DUPLICATE = "belongs to another contact already"


class RunImport(msgspec.Struct):
    """Which import to run."""

    import_id: UUID


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
    done = begun.rows_done
    if begun.rows_total is None:
        rows_total = await asyncio.to_thread(_count, job.files, name)
        async with job.transaction() as session:
            await session.execute(_COUNTED, target | {"rows_total": rows_total})
    await _publish(job, payload)

    rows = read_rows(job.files.open(name), after=done)
    chunk = await asyncio.to_thread(_take, rows, settings.import_chunk_rows)
    while chunk:
        # Reading the next chunk goes on while the database writes this one.
        following = asyncio.create_task(asyncio.to_thread(_take, rows, settings.import_chunk_rows))
        try:
            async with job.transaction() as session:
                # If the server crashes and forgets this commit, it forgets rows and progress
                # together, and the job goes on from there. The last commit waits for the disk.
                await session.exec_driver_sql("set local synchronous_commit = off")
                await _import_chunk(session, payload, chunk, before=done)
                await job.progressed(session)
                progress = await session.scalar(_PROGRESS, target)
        finally:
            following_chunk = await following
        done = chunk[-1].number
        chunk = following_chunk
        await job.publish("import.progress", progress)

    async with job.transaction() as session:
        await session.execute(_FINISH, target)
        progress = await session.scalar(_PROGRESS, target)
    await job.publish("import.progress", progress)


def _count(files: Files, name: str) -> int:
    return count_rows(files.open(name))


def file_of(import_id: UUID) -> str:
    """The name of an import's file among the files of its tenant."""
    return f"imports/{import_id}.csv"


def _take(rows: Iterator[Row], count: int) -> list[Row]:
    return list(islice(rows, count))


async def _import_chunk(
    session: Session, payload: RunImport, chunk: list[Row], *, before: int
) -> None:
    target = {"import_id": payload.import_id}
    rejected = [_rejected(row) for row in chunk if row.rejection]
    good, twice = _split_repeated(chunk)
    rejected += [_rejected(row, "email", _DUPLICATE) for row in twice]
    advance = target | {"before": before, "done": chunk[-1].number, "rejected": len(rejected)}
    if (await session.execute(_ADVANCE, advance)).one_or_none() is None:
        raise jobs.JobGone(f"another worker is ahead with import {payload.import_id}")
    if good:
        known = await _accept(session, good)
        if known:
            await session.execute(_REJECTED_BY_DATABASE, target | {"rejected": len(known)})
            rejected += [_rejected(good[number], "email", _DUPLICATE) for number in known]
    if rejected:
        await session.execute(_REJECT, target | {"rows": json.dumps(rejected)})


async def _accept(session: Session, rows: dict[int, Row]) -> list[int]:
    """Insert contacts; return the numbers of the rows whose email exists already.

    COPY is refused under row level security, so it fills a temporary table first.
    """
    await session.execute(_STAGE)
    driver = await driver_of(session)
    async with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows.values():
            await copy.write_row((row.number, *(row.contact or ())))
    return [number for (number,) in await session.execute(_ACCEPT)]


def _split_repeated(chunk: list[Row]) -> tuple[dict[int, Row], list[Row]]:
    """The good rows by number, and those whose email stood earlier in the same chunk."""
    good: dict[int, Row] = {}
    twice: list[Row] = []
    emails: set[str] = set()
    for row in chunk:
        if row.contact is None:
            continue
        email = row.contact[1]
        if email in emails:
            twice.append(row)
        else:
            emails.add(email)
            good[row.number] = row
    return good, twice


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
