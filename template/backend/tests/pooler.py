"""PgBouncer in transaction mode, where the machine has it."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from app.dev import processes
from app.dev.placement import reachable_data
from app.dev.processes import LOOPBACK, free_port, last_lines

# Nothing in ignore_startup_parameters: what a pooler refuses must not be sent. Nothing resets a
# session between two transactions: what one leaves there, the next one finds.
_SETTINGS = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = {own_host}
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
stats_users = {logins}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
server_login_retry = 1
server_idle_timeout = 10
query_wait_timeout = 5
server_reset_query =
"""


def program() -> str | None:
    """PgBouncer's path, if the machine has it."""
    # Debian installs it where only root looks.
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


@dataclass(frozen=True)
class Place:
    """Under which address a pooler is found.

    Attributes:
        host: The name by which it is known; what listens is on loopback in any case.
        port: Its port; None for one that says nothing.
    """

    host: str | None = None
    port: int | None = None


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer.

    Attributes:
        url: The address that leads through it to the server's that it was started for.
        pid: Its process.
    """

    url: str
    pid: int

    def to(self, direct: str) -> str:
        """Another address of the same server, by its login or its database, through the pooler."""
        through, asked = make_url(self.url), make_url(direct)
        return through.set(
            username=asked.username, password=asked.password, database=asked.database
        ).render_as_string(hide_password=False)

    def show(self, what: str) -> list[dict[str, Any]]:
        """What its own console says: https://www.pgbouncer.org/usage.html#admin-console."""
        console = make_url(self.url).set(database="pgbouncer")
        url = console.render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(f"show {what}".encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def reload(self) -> None:
        """Have it read its settings again, as an operator does."""
        os.kill(self.pid, signal.SIGHUP)


@contextmanager
def pooled(
    folder: Path,
    direct: str,
    passwords: Mapping[str, str],
    connections: int = 2,
    place: Place = Place(),  # frozen
) -> Iterator[Pooler]:
    """Run it before a server, for these logins.

    The test is skipped on a machine that has none.

    Args:
        folder: For its files.
        direct: The server.
        passwords: Of each login that it lets in.
        connections: The most to one database for one login.
        place: Under which address it is to be found.
    """
    executable = program()
    if executable is None:
        pytest.skip("there is no pgbouncer on this machine")
    account = processes.unprivileged_account()  # it refuses to run as root
    home = reachable_data(folder / "pgbouncer", account, "pgbouncer")
    home.mkdir(parents=True, exist_ok=True)
    address = make_url(direct)
    own_host, own_port = _free(place.port)
    users = "".join(f'"{login}" "{password}"\n' for login, password in passwords.items())
    (home / "users.txt").write_text(users)
    (home / "pgbouncer.ini").write_text(
        _SETTINGS.format(
            host=address.query.get("hostaddr", address.host),
            port=address.port,
            own_host=own_host,
            own_port=own_port,
            folder=home,
            logins=", ".join(passwords),
            connections=connections,
        )
    )
    home.chmod(0o755)
    log = folder / "pgbouncer.log"
    with log.open("wb") as output:
        process = processes.start(
            [executable, home / "pgbouncer.ini"],
            env={"PATH": os.defpath},
            output=output,
            account=account,
            cwd="/",
        )
    url = known_as(direct, place.host, own_host, own_port)

    def lets_in() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        came_up = processes.wait_until(lambda: process.poll() is not None or lets_in(), 30.0)
        assert came_up, last_lines(log, 50)
        assert process.poll() is None, last_lines(log, 50)
        yield Pooler(url, process.pid)
    finally:
        processes.stop(process, (signal.SIGTERM, 10.0))
        shutil.rmtree(home, ignore_errors=True)


def log_in(url: str, *, autocommit: bool = False) -> psycopg.Connection[Any]:
    """A session as one of the application's logins, which may lead through a pooler."""
    return psycopg.connect(url, autocommit=autocommit, prepare_threshold=None)


def known_as(url: str, host: str | None, address: str, port: int) -> str:
    """The same address under the name that a server has where it really runs."""
    parsed = make_url(url).set(host=host or address, port=port)
    if host is not None:
        parsed = parsed.update_query_dict({"hostaddr": address})
    return parsed.render_as_string(hide_password=False)


def _free(port: int | None) -> tuple[str, int]:
    """An address of this machine on which a port, if it has to be this one, is nobody's."""
    if port is None or sys.platform != "linux":
        return LOOPBACK, port or free_port()
    # All of 127/8 is loopback.
    return f"127.{randbelow(254) + 1}.{randbelow(254) + 1}.{randbelow(254) + 1}", port
