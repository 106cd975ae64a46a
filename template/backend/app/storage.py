"""Where uploads live: a folder in development, S3, GCS, Azure or R2 in production, by URL."""

import io
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.store import ObjectStore, from_url
from typing_extensions import Buffer

READ_BYTES = 1024 * 1024


class Storage:
    """Object storage. Objects are written once and read as a stream."""

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = (
            from_url(url, mkdir=True) if urlsplit(url).scheme == "file" else from_url(url)
        )

    async def put(self, path: str, file: IO[bytes]) -> None:
        """Store a file, in parts where it is large, so that memory does not grow with it."""
        await obstore.put_async(self._store, path, file)

    async def delete(self, path: str) -> None:
        """Delete an object."""
        await obstore.delete_async(self._store, path)

    def open(self, path: str) -> io.BufferedReader:
        """Read an object from its beginning. Reading blocks: do it in a thread."""
        return io.BufferedReader(_ObjectStream(self._store, path), READ_BYTES)

    async def check(self) -> None:
        """Raise if the storage cannot be reached."""
        try:
            await obstore.head_async(self._store, "readiness")
        except FileNotFoundError:
            return


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
