"""Imports of the tenant that the session can see."""

import csv
import hashlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO
from uuid import UUID

import anyio.to_thread
from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from app import jobs
from app.auth.dependencies import Caller
from app.csv_cells import inert
from app.database import Session
from app.features.imports.csv_file import HEADER, BadFile, check_file
from app.features.imports.models import Import, ImportRejection
from app.features.imports.schemas import ImportAccepted, ImportOut
from app.features.imports.tasks import RunImport, file_of, run_import
from app.json_sql import json_object, json_text
from app.orm import table_of
from app.pages import Pages
from app.security.problems import Problem

_PAGE_OF_REJECTIONS = 1000

_imports = table_of(Import)
_by_id = Import.id == bindparam("import_id", type_=Uuid)

_PAGES = Pages(ImportOut, _imports)
_GET = select(json_text(json_object(ImportOut, _imports))).where(_by_id)
_NEW_ID = text("select app.uuid_v7()")
_INSERT = (
    insert(_imports)
    .on_conflict_do_nothing()
    .returning(json_text(json_object(ImportAccepted, _imports)))
)
_SAME_KEY = select(json_text(json_object(ImportAccepted, _imports)), _imports.c.file_sha256).where(
    _imports.c.idempotency_key == bindparam("idempotency_key")
)
_REJECTIONS = (
    select(
        ImportRejection.row_no,
        ImportRejection.line,
        ImportRejection.column_name,
        ImportRejection.reason,
        ImportRejection.fields,
    )
    .where(ImportRejection.import_id == bindparam("import_id", type_=Uuid))
    .where(ImportRejection.row_no > bindparam("after"))
    .order_by(ImportRejection.row_no)
    .limit(_PAGE_OF_REJECTIONS)
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sent, still on this machine."""

    file: IO[bytes]
    file_name: str
    file_bytes: int
    sha256: bytes


async def inspect(file: IO[bytes], file_name: str) -> Upload:
    """Read an upload once, and refuse with 422 what is not a CSV of contacts."""
    digest = hashlib.sha256()

    def read() -> int:
        file.seek(0)
        check_file(file, digest.update)
        return file.tell()

    try:
        size = await anyio.to_thread.run_sync(read)
    except BadFile as error:
        raise Problem(422, "The file cannot be imported", str(error)) from error
    shown = "".join(filter(str.isprintable, file_name))[-255:]
    return Upload(file, shown or "upload.csv", size, digest.digest())


async def start_import(caller: Caller, upload: Upload, idempotency_key: str | None) -> str:
    """Store the file, then the import together with its job; return the import as JSON.

    The same key again returns the first import. With another file it is a mistake, and refused.
    """
    async with caller.transaction() as session:
        if first := await _same_key(session, upload, idempotency_key):
            return first
        import_id: UUID = await session.scalar(_NEW_ID)
    upload.file.seek(0)
    await caller.files.put(file_of(import_id), upload.file)
    try:
        return await _accept(caller, import_id, upload, idempotency_key)
    except Problem:
        # Refused now, though not before the file was stored: nobody would ever ask for it.
        await caller.files.delete(file_of(import_id))
        raise


async def _accept(
    caller: Caller, import_id: UUID, upload: Upload, idempotency_key: str | None
) -> str:
    async with caller.transaction() as session:
        accepted: str | None = await session.scalar(
            _INSERT,
            {
                "id": import_id,
                "file_name": upload.file_name,
                "file_bytes": upload.file_bytes,
                "file_sha256": upload.sha256,
                "idempotency_key": idempotency_key,
            },
        )
        if accepted is not None:
            await jobs.enqueue(session, run_import, RunImport(import_id))
            return accepted
        # The same key arrived twice at the same time, and this one came second.
        await caller.files.delete(file_of(import_id))
        return await _same_key(session, upload, idempotency_key) or ""


async def _same_key(session: Session, upload: Upload, key: str | None) -> str | None:
    if key is None:
        return None
    first = (await session.execute(_SAME_KEY, {"idempotency_key": key})).one_or_none()
    if first is None:
        return None
    accepted, sha256 = first
    if bytes(sha256) != upload.sha256:
        raise Problem(
            422,
            "Idempotency-Key was used before",
            "The same Idempotency-Key came with another file. Use a new key for a new file.",
        )
    return str(accepted)


async def list_imports(session: Session, *, limit: int, cursor: UUID | None) -> str:
    """A page of imports, newest first, as JSON."""
    return await _PAGES.read(session, limit=limit, cursor=cursor)


async def get_import(session: Session, import_id: UUID) -> str:
    """One import as JSON, or 404."""
    found: str | None = await session.scalar(_GET, {"import_id": import_id})
    if found is None:
        raise Problem(404, "Not found", "There is no such import.")
    return found


async def rejected_rows(caller: Caller, import_id: UUID) -> AsyncIterator[str]:
    """The rejected rows as CSV, in the order of the file, a thousand at a time."""
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\r\n").writerow
    write(["line", "column", "reason", *HEADER, "extra"])
    after = 0
    while True:
        async with caller.transaction() as session:
            parameters = {"import_id": import_id, "after": after}
            rows = (await session.execute(_REJECTIONS, parameters)).all()
        for row in rows:
            write([row.line, row.column_name or "", row.reason, *_cells(row.fields)])
            after = row.row_no
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        if len(rows) < _PAGE_OF_REJECTIONS:
            await caller.prove_again()
            return


def _cells(fields: list[str]) -> list[str]:
    shown = [inert(field) for field in fields]
    known = (shown + [""] * len(HEADER))[: len(HEADER)]
    return [*known, ",".join(shown[len(HEADER) :])]
