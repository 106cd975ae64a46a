"""Exporting a tenant: everything that is its own, as a zip file, read in one snapshot.

Rows come from the server as they are written, and files as a stream. Memory grows only with the
number of stored files, by about a kilobyte for each: a zip file ends with a list of its contents.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import typer
from obstore.exceptions import BaseError
from psycopg import sql
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.choices import PRODUCT_NAME, tenancy
from app.settings import get_settings
from app.storage import Storage
from app.tenancy.operate import Connection, Tenant, acting_on, at_home, connect, record
from app.tenancy.tables import OwnedTable, tenant_tables

Format = Literal["json", "csv"]

_BLOCK = 1024 * 1024
_COPY = {
    "json": "copy (select to_jsonb(r) from {table} r where {is_mine}) to stdout",
    "csv": "copy (select * from {table} where {is_mine}) to stdout (format csv, header)",
}
_SUFFIX = {"json": "ndjson", "csv": "csv"}


def export(name: str, output: Path | None, form: Format) -> None:
    """Write a tenant's archive and print where it is.

    Args:
        name: An id, ours or the provider's, or the label.
        output: The file to make; by default one that is named after the tenant's id.
        form: How rows are written: a JSON document a line, or CSV with a header.

    Raises:
        SystemExit: the file exists, or something cannot be read. No file is left then.
    """
    with connect() as connection, at_home(connection, name) as (tenant, home):
        tables = [table for table in tenant_tables(home, tenant.id) if not table.is_machinery]
        now = datetime.now(UTC)
        path = output or Path(f"tenant-{tenant.id}-{now:%Y%m%dT%H%M%SZ}.zip")
        with _new_file(path) as file:
            # First, because the archive holds the trail, and because an attempt counts too.
            record(home, tenant.id, "tenant.exported", {"format": form})
            archive = _Archive(ZipFile(file, "w", ZIP_DEFLATED), now)
            try:
                _fill(archive, home, tenant, tables, form)
            except (BaseError, FileNotFoundError) as error:
                raise SystemExit(
                    f"A file cannot be read: {error}\nCheck STORAGE_URL and its credentials."
                ) from None
    rows = sum(entry.rows or 0 for entry in archive.contents)
    files = sum(entry.rows is None for entry in archive.contents)
    typer.echo(f"{path}: {rows} rows and {files} files of {tenant.title}.")


def _fill(
    archive: "_Archive",
    connection: Connection,
    tenant: Tenant,
    tables: list[OwnedTable],
    form: Format,
) -> None:
    reached = connection.execute(tenancy.REVISIONS, {"tenant": tenant.id})
    revisions = sorted(revision for (revision,) in reached if revision)
    with _progress() as progress:
        with acting_on(connection, tenant.id, snapshot=True):
            connection.execute("set local timezone = 'UTC'")
            for table in progress.track(tables, description="tables"):
                _add_rows(archive, connection, tenant, table, form)
        # Files are written before the rows that speak of them, so none of those is missing.
        stored = Storage(get_settings().storage_url).of(tenant.id)
        shown = progress.add_task("files", total=None)
        for found in stored.list():
            with archive.member(f"files/{found.name}") as member, stored.open(found.name) as source:
                while block := source.read(_BLOCK):
                    member.write(block)
            progress.advance(shown)
    archive.close(
        {
            "product": PRODUCT_NAME,
            "tenant": {
                "id": str(tenant.id),
                "external_id": tenant.external_id,
                "label": tenant.label,
                "name": tenant.name,
                "state": tenant.state,
            },
            "exported_at": archive.made_at.isoformat(),
            "revisions": revisions,
            "format": form,
        }
    )


def _add_rows(
    archive: "_Archive", connection: Connection, tenant: Tenant, table: OwnedTable, form: Format
) -> None:
    query = sql.SQL(_COPY[form]).format(table=table.id, is_mine=table.is_mine)
    name = table.name.replace(".", "/")
    with (
        archive.member(f"tables/{name}.{_SUFFIX[form]}") as member,
        connection.cursor() as cursor,
    ):
        with cursor.copy(query, {"tenant": tenant.id}) as copy:
            for block in copy:
                # JSON has no control characters, so the backslash is all that COPY escapes.
                member.write(bytes(block).replace(b"\\\\", b"\\") if form == "json" else block)
        member.rows = cursor.rowcount


def _progress() -> Progress:
    """A bar for whoever looks; nothing in a script's log."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner can read. It gets its name when it is complete."""
    if path.exists():
        raise SystemExit(f"{path} exists already: give another name with --output.")
    partial = path.with_name(f"{path.name}.part")
    try:
        # Of a run that was killed.
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SystemExit(f"The archive cannot be written: {error}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


@dataclass
class _Member:
    """A file inside of the archive, while it is written."""

    name: str
    file: IO[bytes]
    rows: int | None = None
    size: int = 0
    digest: Any = field(default_factory=sha256)
    _pending: list[bytes] = field(default_factory=list)
    _pending_size: int = 0

    def write(self, block: bytes | bytearray | memoryview) -> None:
        # A row at a time would spend most of the time between Python and zlib.
        self._pending.append(bytes(block))
        self._pending_size += len(block)
        if self._pending_size >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        block = b"".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        self.digest.update(block)
        self.size += len(block)
        self.file.write(block)


class _Archive:
    """A zip file that is written from its beginning to its end."""

    def __init__(self, file: ZipFile, made_at: datetime) -> None:
        self._zip = file
        self.made_at = made_at
        self.contents: list[_Member] = []

    @contextmanager
    def member(self, name: str) -> Iterator[_Member]:
        """Add a file, of any size."""
        info = ZipInfo(name, self.made_at.timetuple()[:6])
        info.compress_type = ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            member = _Member(name, file)
            yield member
            member.flush()
        self.contents.append(member)

    def close(self, manifest: dict[str, Any]) -> None:
        """Add the manifest, which says what there is and how to check it, and end the file."""
        listed = [
            {
                "name": member.name,
                "bytes": member.size,
                "sha256": member.digest.hexdigest(),
                **({} if member.rows is None else {"rows": member.rows}),
            }
            for member in self.contents
        ]
        document = json.dumps(manifest | {"files": listed}, indent=2, ensure_ascii=False)
        self._zip.writestr("manifest.json", document)
        self._zip.close()
