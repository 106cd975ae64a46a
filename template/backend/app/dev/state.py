"""What is known about the development environment outside the process that runs it.

`.dev/lock` is held by whoever runs the servers; the system releases it however that process ends.
`.dev/runtime.json` says where they are; `.dev/processes.json` names what must be gone before the
next start; `.dev/ports.json` keeps addresses the same from one start to the next.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGTERM
from typing import Any

from app.dev.processes import ProcessIdentity, stop_stranger, write_private

_LEFTOVER_SECONDS = 20.0


class AlreadyRunning(Exception):  # noqa: N818  # a finding, not a fault
    """Another process runs the servers of this repository."""


@contextmanager
def exclusive(dev_dir: Path) -> Iterator[None]:
    """Be the only one who runs servers on this folder.

    Raises:
        AlreadyRunning: Someone else is.
    """
    dev_dir.mkdir(parents=True, exist_ok=True)
    with (dev_dir / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning from None
        yield


@dataclass(frozen=True)
class Runtime:
    """Where the parts of a running `make dev` are. URLs hold passwords."""

    supervisor: ProcessIdentity
    urls: dict[str, str]
    environment: dict[str, str]
    pids: dict[str, int]
    ready: bool

    def write(self, dev_dir: Path) -> None:
        """Publish it, to this user only."""
        write_private(_runtime(dev_dir), json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, dev_dir: Path) -> "Runtime | None":
        """Return what a supervisor that runs now has published; None when none does."""
        content: dict[str, Any] | None = _load(_runtime(dev_dir))
        if content is None:
            return None
        supervisor = ProcessIdentity(**content.pop("supervisor"))
        return cls(supervisor, **content) if supervisor.is_running() else None

    @staticmethod
    def remove(dev_dir: Path) -> None:
        """Say that nothing runs any more."""
        _runtime(dev_dir).unlink(missing_ok=True)


class Processes:
    """The processes that one run started, on disk, for the run after a `kill -9` of this one."""

    def __init__(self, dev_dir: Path) -> None:
        self._path = dev_dir / "processes.json"
        self._known: list[ProcessIdentity] = []

    def stop_leftovers(self) -> int:
        """Stop what an earlier run left behind and return how many; needs the lock."""
        recorded = [ProcessIdentity(**entry) for entry in _load(self._path) or []]
        running = [identity for identity in recorded if identity.is_running()]
        for identity in running:
            stop_stranger(identity, (SIGTERM, _LEFTOVER_SECONDS))
        self.clear()
        return len(running)

    def add(self, pid: int) -> None:
        """Record a process right after its start."""
        identity = ProcessIdentity.of(pid)
        if identity is not None and identity not in self._known:
            self._known.append(identity)
            write_private(self._path, json.dumps([asdict(known) for known in self._known]))

    def clear(self) -> None:
        """Forget them all: they have ended."""
        self._known.clear()
        self._path.unlink(missing_ok=True)


class Ports:
    """The ports that the servers had last."""

    def __init__(self, dev_dir: Path) -> None:
        self._path = dev_dir / "ports.json"
        self._ports: dict[str, int] = _load(self._path) or {}

    def last(self, name: str) -> int | None:
        """Return a server's last port, or None the first time."""
        return self._ports.get(name)

    def remember(self, **ports: int) -> None:
        """Keep the ports for the next start."""
        if self._ports != (self._ports | ports):
            self._ports |= ports
            write_private(self._path, json.dumps(self._ports))


def _runtime(dev_dir: Path) -> Path:
    return dev_dir / "runtime.json"


def _load(path: Path) -> Any:
    # A file cut short by a full disk says nothing; everything in it can be found out anew.
    with suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads(path.read_text())
    return None
