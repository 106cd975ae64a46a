"""Postgres as the broker of events."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from app.dev.processes import ProcessIdentity, wait_until
from app.realtime.postgres import PostgresChannel

if TYPE_CHECKING:
    from tests.running import Platform

_SECONDS = 20.0


class Broker:
    """A Postgres with a migrated database."""

    def __init__(self, platform: "Platform") -> None:
        self.server = platform.postgres
        self.connections = platform.connections
        self._direct = platform.direct("app_api")

    def channel(self) -> PostgresChannel:
        """A new way to it, as one process has."""
        return PostgresChannel(self.connections.app_api, self._direct)

    def start(self) -> None:
        """Start it unless it runs, and wait until it takes connections."""
        if self.server.process is None or self.server.process.poll() is not None:
            self.server.start()
            # A pooler lets clients in by itself, and does not look at once whether it is back.
            assert wait_until(self._answers, _SECONDS)

    def stop(self) -> None:
        """End it in peace."""
        self.server.stop()

    async def kill(self) -> None:
        """End it as the out-of-memory killer does, its sessions included."""
        assert self.server.process is not None
        found = [ProcessIdentity.of(pid) for pid in self._sessions()]
        self.server.process.kill()
        self.server.process.wait()
        for session in filter(None, found):
            if session.is_running():
                os.kill(session.pid, signal.SIGKILL)
        assert wait_until(lambda: not any(s.is_running() for s in found if s), _SECONDS)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections and bytes, and answers nothing."""
        pids = [self.server.pid, *self._sessions()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.connections.app_api) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def _sessions(self) -> list[int]:
        query = (
            "select pid from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        with psycopg.connect(self.server.admin_url) as admin:
            return [pid for (pid,) in admin.execute(query)]


@contextmanager
def open_broker(folder: Path) -> Iterator[Broker]:
    """A server with throw-away data."""
    # It asks the choices, which name this module.
    from tests.running import Platform

    with ExitStack() as stack:
        yield Broker(Platform(folder, stack))
