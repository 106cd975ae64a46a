"""What tenants cost in one model of tenancy. Runs with the product's own Python.

Takes numbers of tenants as arguments, starts the servers of development, and prints measurements as
JSON. Tenants are made and migrated by the product's own functions and commands; the further
migrations are written into the product, which is thrown away afterwards.
"""

import asyncio
import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import psycopg
from app import choices, revisions  # type: ignore[import-not-found]
from app.database import create_engine  # type: ignore[import-not-found]
from app.dev.servers import (  # type: ignore[import-not-found]
    Connections,
    Servers,
    configured,
    process_environment,
)
from app.dev.state import Processes  # type: ignore[import-not-found]
from app.features.contacts import service as contacts  # type: ignore[import-not-found]
from app.settings import Settings  # type: ignore[import-not-found]
from app.tenancy import lifecycle  # type: ignore[import-not-found]
from app.tenancy.session import transaction  # type: ignore[import-not-found]
from tests.choices import tenants  # type: ignore[import-not-found]

MOST_BYTES = 4e9
"""Tenants that would take more disk than this are not made."""

LOOK_EVERY = 10
"""After so many tenants the memory is looked at."""

SECONDS = 1800.0

_REVISION = """\
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table contacts add column {revision} integer")
"""

# What is no other process's: the pages that servers share are in none of their sums.
_OWN = re.compile(r"^Pss_Anon:\s+(\d+) kB$", re.MULTILINE)


class Probe:
    """A product's servers, and as many tenants as were asked for so far."""

    def __init__(self, connections: Connections, admin: psycopg.Connection[Any]) -> None:
        self._connections = connections
        self._admin = admin
        self._environment = process_environment(connections.for_operator())
        self._names: list[str] = []
        self._further = 0
        self.migrate()
        self._bytes = self._disk()

    # --- Tenants ---

    def fits(self, count: int) -> bool:
        """Whether so many tenants are not too much for the disk, as far as is known."""
        if not self._names:
            return True
        return self.disk_each() * count < MOST_BYTES

    def disk_each(self) -> float:
        """Bytes of all databases that came with each tenant."""
        return (self._disk() - self._bytes) / len(self._names)

    def make(self, count: int) -> float:
        """Make tenants until there are so many; the median of the seconds that each took."""
        taken = []
        for number in range(len(self._names), count):
            name = f"bench{number}"
            began = time.perf_counter()
            with redirect_stdout(io.StringIO()):
                lifecycle.create(tenants.external_id(name), name, None)
            taken.append(time.perf_counter() - began)
            self._names.append(name)
        return statistics.median(taken)

    def _disk(self) -> int:
        query = "select sum(pg_database_size(oid))::bigint from pg_database"
        return int(self._one(query))

    # --- Migrations ---

    def migrate(self) -> tuple[float, str]:
        """Run `app migrate`; the seconds that it took, and what it said."""
        began = time.perf_counter()
        process = self._begin_to_migrate()
        _, said = process.communicate(timeout=SECONDS)
        if process.returncode:
            raise RuntimeError(f"app migrate failed:\n{said}")
        return time.perf_counter() - began, said

    def migrate_further(self) -> float:
        """The seconds that a further migration of all tenants takes."""
        self._write_revision()
        seconds, _ = self.migrate()
        self._require_nobody_behind()
        return seconds

    def resume(self) -> dict[str, float] | None:
        """Kill the processes that migrate when half of the tenants are done, and go on.

        Returns:
            How many had been done, and the seconds that the rest took; None where all tenants are
            migrated by one transaction, so that there is no half.

        Raises:
            RuntimeError: a tenant was left out, or was not left alone though it was done.
        """
        if not choices.tenancy.readings(self._engine()):
            return None
        self._write_revision()
        process = self._begin_to_migrate()
        half = len(self._names) // 2
        while process.poll() is None:
            if self._behind() <= half:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        process.communicate()
        # What the server had been told to commit, it does.
        self._wait(
            lambda: (
                self._one(
                    "select count(*) from pg_stat_activity where usename = %(owner)s",
                    owner=psycopg.conninfo.conninfo_to_dict(self._connections.migrator)["user"],
                )
                == 0
            )
        )
        rest = self._behind()
        if not rest:
            raise RuntimeError("the migration was over before it could be killed")
        # Who has the column already would refuse to get it again.
        seconds, said = self.migrate()
        self._require_nobody_behind()
        if not re.search(rf"\b{rest} of {rest} tenants migrated", said):
            raise RuntimeError(f"{rest} were to be migrated:\n{said}")
        if "tenants migrated" in (again := self.migrate()[1]):
            raise RuntimeError(f"nobody was to be migrated:\n{again}")
        return {"done": len(self._names) - rest, "seconds": seconds}

    def _begin_to_migrate(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", "migrate"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _write_revision(self) -> None:
        self._further += 1
        revision = f"bench_{self._further}"
        text = _REVISION.format(revision=revision, before=revisions.head("tenant"))
        (revisions.BACKEND / "migrations/tenant" / f"{revision}.py").write_text(text)
        revisions.head.cache_clear()
        revisions.earlier_revisions.cache_clear()

    def _behind(self) -> int:
        """How many tenants are behind, as /readyz tells it; where they are migrated apart."""

        async def ask() -> int:
            engine = self._engine()
            try:
                reading = choices.tenancy.readings(engine).get("tenants_behind")
                return 0 if reading is None else int(await reading())
            finally:
                await engine.dispose()

        return asyncio.run(ask())

    def _require_nobody_behind(self) -> None:
        if behind := self._behind():
            raise RuntimeError(f"{behind} of {len(self._names)} tenants are behind")

    # --- Memory ---

    async def memory(self, count: int, *, recycled: bool) -> float:
        """Most bytes of its own that a server holds for an API that serves many tenants.

        It has one connection, or several where tenants do not share one.

        Args:
            count: How many tenants the API serves, one after the other.
            recycled: Whether it ends connections as it does; else it keeps them.
        """
        with nullcontext() if recycled else _without_recycling():
            engine = self._engine()
            most = 0
            for number, name in enumerate(self._names[:count], start=1):
                async with transaction(engine, tenants.claims(name), "bench") as (session, _):
                    await contacts.list_contacts(session, limit=100, cursor=None, q=None)
                    if number % LOOK_EVERY == 0 or number == count:
                        most = max(most, self._server_memory())
            await engine.dispose()
        self._wait(lambda: not self._server_memory())
        return most

    def _engine(self) -> Any:
        settings = Settings(database_url=self._connections.app_api, database_pool_size=1)
        # A model that keeps tenants in several databases has connections of its own kind.
        create = getattr(choices.tenancy, "create_engine", create_engine)
        return create(settings, application_name="bench")

    def _server_memory(self) -> int:
        query = "select pid from pg_stat_activity where usename = 'app_api'"
        return sum(_own_memory(pid) for (pid,) in self._admin.execute(query))

    # --- Questions ---

    def _one(self, query: str, **values: object) -> Any:
        (row,) = self._admin.execute(query.encode(), values or None).fetchall()
        return row[0]

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not come to rest")
            time.sleep(0.01)


@contextmanager
def _without_recycling() -> Iterator[None]:
    async def keep(*_: object) -> None:
        pass

    recycle, choices.tenancy.recycle = choices.tenancy.recycle, keep
    try:
        yield
    finally:
        choices.tenancy.recycle = recycle


def _own_memory(pid: int) -> int:
    try:
        found = _OWN.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
    if found is None:
        raise RuntimeError("the kernel does not say how much memory is a process's own")
    return int(found[1]) * 1024


def measure(levels: list[int]) -> list[dict[str, Any]]:
    """The figures for each number of tenants that the disk has room for."""
    found: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="copier-saas-tenants-"))
        )
        # Root's servers run as another user, who has to reach their files.
        folder.chmod(0o755)
        servers = Servers(folder / "dev", configured(), Processes(folder))
        stack.callback(servers.stop)
        servers.launch()
        connections = servers.connect()
        if connections.admin is None:
            raise SystemExit("this needs the embedded Postgres: unset DATABASE_URL")
        os.environ.update(process_environment(connections.for_operator()))
        admin = stack.enter_context(psycopg.connect(connections.admin, autocommit=True))
        probe = Probe(connections, admin)
        for level in sorted(levels):
            if not probe.fits(level):
                break
            found.append(_measure(probe, level))
        found[-1]["resumed"] = probe.resume()
    return found


def _measure(probe: Probe, level: int) -> dict[str, Any]:
    make = probe.make(level)
    asyncio.run(probe.memory(level, recycled=True))  # who asks first is written down
    return {
        "tenants": level,
        "make_seconds": make,
        "disk_bytes": probe.disk_each(),
        "idle_seconds": probe.migrate()[0],
        "migrate_seconds": probe.migrate_further(),
        "memory_bytes": asyncio.run(probe.memory(level, recycled=True)),
        "kept_memory_bytes": asyncio.run(probe.memory(level, recycled=False)),
    }


if __name__ == "__main__":
    json.dump(measure([int(level) for level in sys.argv[1:]]), sys.stdout)
