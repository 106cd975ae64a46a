"""Where files live: a folder in development, S3, GCS, Azure or R2 in production, by URL."""

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import obstore
from obstore.store import ObjectStore, from_url
from typing_extensions import Buffer

READ_BYTES = 128 * 1024

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class StoredFile(NamedTuple):
    """A file of a tenant: its name, and its size in bytes."""

    name: str
    size: int


class Storage:
    """Object storage. It is divided among the tenants; see `Files`."""

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = (
            from_url(url, mkdir=True) if urlsplit(url).scheme == "file" else from_url(url)
        )

    def of(self, tenant_id: UUID) -> "Files":
        """The files of one tenant."""
        return Files(self._store, tenant_id)

    async def check(self) -> None:
        """Raise if the storage cannot be reached."""
        try:
            await obstore.head_async(self._store, "readiness")
        except FileNotFoundError:
            return


class Files:
    """The files of one tenant. They are written once and read as a stream.

    A name has letters, digits and `. _ -`, in parts that `/` separates, none of which begins with a
    dot: so no name leads out of the tenant's own folder. Whatever takes one raises ValueError for
    any other.
    """

    def __init__(self, store: ObjectStore, tenant_id: UUID) -> None:
        self._store = store
        self._folder = f"tenants/{tenant_id}/"

    async def put(self, name: str, file: IO[bytes]) -> None:
        """Store a file, in parts where it is large, so that memory does not grow with it."""
        await obstore.put_async(self._store, self._path(name), file)

    async def delete(self, name: str) -> None:
        """Delete a file, unless it is gone already."""
        with suppress(FileNotFoundError):  # which a bucket would not even notice
            await obstore.delete_async(self._store, self._path(name))

    def open(self, name: str) -> io.BufferedReader:
        """Read a file from its beginning. Reading blocks: do it in a thread."""
        return io.BufferedReader(_ObjectStream(self._store, self._path(name)), READ_BYTES)

    def list(self) -> Iterator[StoredFile]:
        """Every file there is, as the storage hands them out: not all of them at once."""
        for page in obstore.list(self._store, self._folder):
            for found in page:
                yield StoredFile(found["path"].removeprefix(self._folder), found["size"])

    def delete_all(self) -> int:
        """Delete every file, and return how many there were."""
        count = 0
        while page := next(iter(obstore.list(self._store, self._folder, chunk_size=1000)), None):
            with suppress(FileNotFoundError):
                obstore.delete(self._store, [found["path"] for found in page])
            count += len(page)
        return count

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a file: letters, digits and . _ - in parts")
        return self._folder + name


class _ObjectStream(io.RawIOBase):
    def __init__(self, store: ObjectStore, path: str) -> None:
        self._chunks = iter(obstore.get(store, path).stream(min_chunk_size=READ_BYTES))
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
