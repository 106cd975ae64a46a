"""PgBouncer in transaction mode, where the machine has it."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from app.dev import processes
from app.dev.placement import reachable_data
from app.dev.processes import LOOPBACK, free_port, last_lines

# Nothing in ignore_startup_parameters: what a pooler refuses must not be sent. Nothing resets a
# session between two transactions: what one leaves there, the next one finds.
_SETTINGS = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
server_login_retry = 1
query_wait_timeout = 5
server_reset_query =
"""


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer, and the address that leads through it."""

    url: str
    pid: int

    def reload(self) -> None:
        """Have it read its settings again, as an operator does."""
        os.kill(self.pid, signal.SIGHUP)


@contextmanager
def pooled(
    folder: Path, direct: str, passwords: dict[str, str], connections: int = 2
) -> Iterator[Pooler]:
    """Run it before a server, for these logins.

    The test is skipped on a machine that has none.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("there is no pgbouncer on this machine")
    account = processes.unprivileged_account()  # it refuses to run as root
    home = reachable_data(folder / "pgbouncer", account, "pgbouncer")
    home.mkdir(parents=True, exist_ok=True)
    address = urlsplit(direct)
    port = free_port()
    users = "".join(f'"{login}" "{password}"\n' for login, password in passwords.items())
    (home / "users.txt").write_text(users)
    (home / "pgbouncer.ini").write_text(
        _SETTINGS.format(
            host=address.hostname,
            port=address.port,
            own_port=port,
            folder=home,
            connections=connections,
        )
    )
    home.chmod(0o755)
    log = folder / "pgbouncer.log"
    with log.open("wb") as output:
        process = processes.start(
            [program, home / "pgbouncer.ini"],
            env={"PATH": os.defpath},
            output=output,
            account=account,
            cwd="/",
        )
    login = address.netloc.rpartition("@")[0]
    url = urlunsplit(address._replace(netloc=f"{login}@{LOOPBACK}:{port}"))

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
