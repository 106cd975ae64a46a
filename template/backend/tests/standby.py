"""A streaming replica of the server that the tests run on."""

import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from app.dev import processes
from app.dev.placement import reachable_data
from app.dev.postgres import Postgres, server_environment
from app.dev.processes import LOOPBACK, free_port, last_lines

_SECONDS = 60.0
_LOGIN = "replicator"


class Standby:
    """A hot standby that a test may kill, start and promote."""

    def __init__(self, primary: Postgres, folder: Path) -> None:
        self._primary = primary
        self._log = folder / "standby.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.directory = reachable_data(folder / "standby", primary.account, "standby")

    def copy(self) -> None:
        """Copy the server's data, as it is now, and follow it from there."""
        secret = secrets.token_urlsafe()
        rule = f"host replication {_LOGIN} {LOOPBACK}/32 scram-sha-256\n"
        with (self._primary.directory / "pg_hba.conf").open("a") as rules:
            rules.write(rule)
        with psycopg.connect(self._primary.admin_url, autocommit=True) as admin:
            admin.execute(f"drop role if exists {_LOGIN}".encode())
            made = f"create role {_LOGIN} login replication password '{secret}'"
            admin.execute(made.encode())
            admin.execute("select pg_reload_conf()")
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        # The folder above may be root's, whose account may not make another one in it.
        self.directory.mkdir(mode=0o700)
        if self._primary.account is not None:
            shutil.chown(self.directory, self._primary.account.uid, self._primary.account.gid)
        source = f"host={LOOPBACK} port={self._primary.port} user={_LOGIN} password={secret}"
        self._run(
            "pg_basebackup",
            *("--pgdata", str(self.directory), "--dbname", source, "--write-recovery-conf"),
            *("--checkpoint", "fast", "--no-sync"),
        )

    def start(self) -> None:
        """Start it and wait until it lets in who may log in at the primary."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "off",
        }
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as output:
            process = self._process = processes.start(
                [self._primary.programs.path("postgres"), "-D", str(self.directory), *flags],
                env=server_environment(),
                output=output,
                death_signal=signal.SIGINT,
                account=self._primary.account,
                cwd="/",
            )

        def lets_in() -> bool:
            try:
                psycopg.connect(self.of(self._primary.admin_url)).close()
            except psycopg.OperationalError:
                return False
            return True

        came_up = processes.wait_until(lambda: process.poll() is not None or lets_in(), _SECONDS)
        assert came_up, last_lines(self._log, 50)
        assert process.poll() is None, last_lines(self._log, 50)

    def stop(self) -> None:
        """End it at once: its sessions are cut off."""
        if self._process is not None:
            processes.stop(self._process, (signal.SIGQUIT, 20.0))

    def of(self, url: str) -> str:
        """The copy of a database, for the same login."""
        there = make_url(url).set(host=LOOPBACK, port=self._port).set(query={})
        return there.render_as_string(hide_password=False)

    def order(self, function: str) -> None:
        """Have it call one of the functions that control replay."""
        url = self.of(self._primary.admin_url)
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"select {function}()".encode())

    def _run(self, program: str, *arguments: str) -> None:
        process = processes.start(
            [self._primary.programs.path(program), *arguments],
            env=server_environment(),
            output=subprocess.PIPE,
            account=self._primary.account,
            cwd="/",
        )
        output, _ = process.communicate()
        assert process.returncode == 0, output.decode(errors="replace")


@contextmanager
def following(primary: Postgres, folder: Path) -> Iterator[Standby]:
    """A replica of this server, until the block ends."""
    standby = Standby(primary, folder)
    try:
        standby.copy()
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(standby.directory, ignore_errors=True)
