"""A real RabbitMQ of this repository's own, one node on 127.0.0.1, if this machine has the program.

Its node finds itself through a port mapper of its own (epmd), so other RabbitMQs and their nodes
stay out of sight, and nothing runs on after it.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from app.dev import processes
from app.dev.processes import (
    LOOPBACK,
    POLL_SECONDS,
    DevelopmentError,
    free_port,
    last_lines,
    write_private,
)

STOP_STEPS = ((signal.SIGTERM, 20.0),)
USER = "app"

_NODE = "app@localhost"
_START_SECONDS = 90.0
_START_ATTEMPTS = 5
_STARTED = "Server startup complete"
_TAKEN = ("eaddrinuse", "address already in use", "duplicate_name")


def find_program() -> Path | None:
    """Return the server's program, or None where RabbitMQ is not installed."""
    # What a distribution puts on PATH changes the user first; the program itself does not.
    for program in sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server")):
        if os.access(program, os.X_OK):
            return program
    found = shutil.which("rabbitmq-server")
    return Path(found) if found and shutil.which("epmd") else None


class RabbitMQ:
    """One RabbitMQ node.

    Args:
        directory: The data folder; made when missing.
        password: What clients must give, as the user `app`.
        log: The file that the server's messages are added to.
        port: The port to try first; another is taken when it is not free.
    """

    def __init__(
        self, directory: Path, *, password: str, log: Path, port: int | None = None
    ) -> None:
        self.directory = directory.absolute()
        self.port = port or free_port()
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._password = password
        self._mapper: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """The connection URL."""
        return f"amqp://{USER}:{quote(self._password, safe='')}@{LOOPBACK}:{self.port}//"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self.process is None:
            raise RuntimeError("RabbitMQ was not started")
        return self.process.pid

    def start(self) -> None:
        """Start the server and return when it takes connections.

        Raises:
            DevelopmentError: It cannot; the message says why, with the end of its log.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the server without waiting for it."""
        program = find_program()
        if program is None:
            raise DevelopmentError("RabbitMQ is not installed: rabbitmq-server was not found.")
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._stop_mapper()
        configuration = self.directory / "rabbitmq.conf"
        write_private(configuration, self._configuration())
        (self.directory / "plugins").write_text("[].\n")
        environment = self._environment(mapper_port=free_port())
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._mapper = processes.start(
                ["epmd", "-port", environment["ERL_EPMD_PORT"], "-address", LOOPBACK],
                env=environment,
                output=output,
                death_signal=signal.SIGTERM,
                cwd=self.directory,
            )
            self.process = processes.start(
                [program],
                env=environment,
                output=output,
                death_signal=signal.SIGTERM,
                cwd=self.directory,
            )

    def wait_ready(self) -> None:
        """Wait until the launched server answers; take another port when its port is taken."""
        deadline = time.monotonic() + _START_SECONDS
        for _ in range(_START_ATTEMPTS):
            if self._becomes_ready(deadline):
                return
            said = last_lines(self.log, 200, start=self._log_start).lower()
            if not any(word in said for word in _TAKEN):
                break
            self.port = free_port()
            self.launch()
        self._stop_mapper()
        raise self._failure("RabbitMQ does not start")

    def stop(self) -> None:
        """Stop the server; its queues are on disk afterwards."""
        if self.process is not None:
            processes.stop(self.process, *STOP_STEPS)
            self.process = None
        self._stop_mapper()

    def _stop_mapper(self) -> None:
        if self._mapper is not None:
            processes.stop(self._mapper, (signal.SIGTERM, 5.0))
            self._mapper = None

    def _configuration(self) -> str:
        lines = [
            f"listeners.tcp.1 = {LOOPBACK}:{self.port}",
            f"default_user = {USER}",
            f"default_pass = {self._password}",
            "log.console = true",
            "log.console.level = info",
            "log.file = false",
            # A developer's disk may be nearly full; the default of 50 MB is for servers too.
            "disk_free_limit.absolute = 50MB",
        ]
        return "".join(f"{line}\n" for line in lines)

    def _environment(self, *, mapper_port: int) -> dict[str, str]:
        loopback = LOOPBACK.replace(".", ",")
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            # The node's secret is made here, and is nobody else's.
            "HOME": str(self.directory),
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self.directory / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-kernel inet_dist_use_interface {{{loopback}}}"
            ),
            # The program then becomes the server, instead of a shell that waits for it: signals and
            # process ids are the server's.
            "RUNNING_UNDER_SYSTEMD": "1",
        }

    def _becomes_ready(self, deadline: float) -> bool:
        """Wait for ready (True) or for the server's end (False)."""
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                return False
            # The port may be another server's; our log says that ours has it.
            if _STARTED in last_lines(self.log, 200, start=self._log_start) and self._answers():
                return True
            time.sleep(POLL_SECONDS)
        self.stop()
        raise self._failure(f"RabbitMQ was not ready after {_START_SECONDS:.0f} seconds")

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                connection.settimeout(2.0)
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return len(connection.recv(8)) > 0
        except OSError:
            return False

    def _failure(self, summary: str) -> DevelopmentError:
        end = last_lines(self.log, start=self._log_start)
        return DevelopmentError(f"{summary}. The end of {self.log}:\n{end}")
