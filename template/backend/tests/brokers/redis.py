"""Valkey as the broker of events."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.asyncio import Redis

from app.dev.valkey import Valkey
from app.realtime.redis import RedisChannel
from tests.listening import eventually


class Broker:
    """A Valkey."""

    def __init__(self, server: Valkey) -> None:
        self._server = server

    def channel(self) -> RedisChannel:
        """A new way to it, as one process has."""
        return RedisChannel(self._server.url)

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self._server.process is None or self._server.process.poll() is not None:
            self._server.start()

    def stop(self) -> None:
        """End it in peace."""
        self._server.stop()

    async def kill(self) -> None:
        """End it as the out-of-memory killer does, once the kernel has what was published.

        Behind a slow disk Valkey answers sooner.
        """
        async with Redis.from_url(self._server.url) as client:

            async def nothing_is_pending() -> bool:
                state = await client.info("persistence")
                return bool(state["aof_buffer_length"] == state["aof_pending_bio_fsync"] == 0)

            await eventually(nothing_is_pending)
        assert self._server.process is not None
        self._server.process.kill()
        self._server.process.wait()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and bytes, and answers nothing."""
        assert self._server.process is not None
        self._server.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.process.send_signal(signal.SIGCONT)


@contextmanager
def open_broker(folder: Path) -> Iterator[Broker]:
    """A server with throw-away data."""
    server = Valkey(folder / "valkey", password="broker", log=folder / "valkey.log")
    broker = Broker(server)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
