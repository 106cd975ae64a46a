"""Starting, recognising and stopping the processes of the development environment."""

import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.01

# Below what Linux (32768 and up) and macOS (49152 and up) choose from.
_PORTS = range(20_000, 32_000)
_TRIES = 100

_LEASH = Path(__file__).with_name("leash.py")
_SECRET = 0o600
_LINUX = sys.platform.startswith("linux")


class DevelopmentError(RuntimeError):
    """Something in the development environment is wrong; the message says what and what to do."""


@dataclass(frozen=True)
class Account:
    """A system account that a server runs as."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return the existing account to run as when we are root, because Postgres refuses root.

    None means: stay who we are. No account is ever created.
    """
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "daemon"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise DevelopmentError(
        "Postgres does not run as root and this machine has neither the user nobody nor daemon to "
        "run it as. Run as an ordinary user, or set DATABASE_URL to a Postgres of your own."
    )


def start(  # each is one property of a process
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    output: IO[bytes] | int,
    death_signal: signal.Signals = signal.SIGKILL,
    account: Account | None = None,
    stdin: int = subprocess.DEVNULL,
    cwd: Path | str | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that Ctrl-C reaches only whoever supervises it.

    Args:
        command: The program and its arguments.
        env: Its whole environment.
        output: Where its standard output and error go.
        death_signal: What the kernel sends it when this process ends (Linux).
        account: Who runs it, when we are root and it must not be.
        stdin: As for `subprocess.Popen`.
        cwd: Its working directory.
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    leash = [sys.executable, "-I", "-S", _LEASH, os.getpid(), int(death_signal), uid, gid]
    return subprocess.Popen(  # noqa: S603  # our own command, no shell
        [str(part) for part in (*leash, *command)],
        env=dict(env),
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        start_new_session=True,
    )


@dataclass(frozen=True)
class ProcessIdentity:
    """A process id with its start: ids are reused, so the id alone proves nothing."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """Identify a running process; None when there is none (or only its zombie)."""
        started = _started(pid)
        return None if started is None else cls(pid, started)

    def is_running(self) -> bool:
        """Whether exactly this process still runs."""
        return _started(self.pid) == self.started


def _started(pid: int) -> str | None:
    if _LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name may hold spaces and parentheses: fields are counted from the last one.
        fields = stat.rpartition(")")[2].split()
        state, start_time = fields[0], fields[19]
        return None if state in "ZX" else start_time
    return _ps(pid, "lstart") or None


def command_line(pid: int) -> str:
    """Return a process's command line, its parts joined by spaces; empty when it is gone."""
    if _LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return _ps(pid, "command")


def _ps(pid: int, column: str) -> str:
    result = subprocess.run(  # noqa: S603
        ["ps", "-o", f"{column}=", "-p", str(pid)],  # noqa: S607  # in /bin on every Unix
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip()


def stop(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """Send each signal and wait its seconds, until the process has ended; at last SIGKILL."""
    for number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop_stranger(identity: ProcessIdentity, *steps: tuple[signal.Signals, float]) -> None:
    """Do the same with a process that is not our child, a leftover of a killed run."""
    for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
        if not identity.is_running():
            return
        with suppress(ProcessLookupError):
            os.kill(identity.pid, number)
        if wait_until(lambda: not identity.is_running(), seconds):
            return
    raise DevelopmentError(
        f"Process {identity.pid}, left over from an earlier run, does not end. "
        f"Look at it with `ps -p {identity.pid}` and end it by hand."
    )


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again, for at most so many seconds; tell whether it came true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def free_port() -> int:
    """A loopback port that was free a moment ago, and that no system gives to who asks for none.

    So whoever connects to somewhere meanwhile does not take it. Another `make dev` might.

    Raises:
        DevelopmentError: none is free, or nobody may listen here.
    """
    reason: OSError | None = None
    for port in secrets.SystemRandom().sample(_PORTS, _TRIES):
        with socket.socket() as candidate:
            try:
                candidate.bind((LOOPBACK, port))
            except OSError as error:
                reason = error
            else:
                return port
    raise DevelopmentError(f"No port of {LOOPBACK} is free: {reason}")


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as visitor:
        visitor.settimeout(1.0)
        # Some systems allow 127.0.0.1 next to a listener on every address: ask for that one too.
        if visitor.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def last_lines(path: Path, count: int = 20, *, start: int = 0) -> str:
    """Return the end of a log file, from byte `start` on; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            lines = deque(file, maxlen=count)
    except FileNotFoundError:
        return ""
    return b"".join(lines).decode(errors="replace").rstrip()


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _SECRET)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
