"""What a queue needs on a developer's machine: one module per backend, with the same three names.

- `SETTING`: the setting that leads to the queue's server; None if it needs none.
- `server(place)`: the server to start when that is not set; None if it needs none.
- `dashboard(url, port)`: how to look into the queue in a browser.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Server(Protocol):
    """A server program of this repository's own."""

    port: int
    process: subprocess.Popen[bytes] | None

    @property
    def url(self) -> str:
        """What its clients connect to."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def launch(self) -> None:
        """Start it without waiting for it."""

    def wait_ready(self) -> None:
        """Wait until it answers."""

    def start(self) -> None:
        """Both."""

    def stop(self) -> None:
        """Stop it; what it had to keep is on disk afterwards."""


@dataclass(frozen=True)
class Place:
    """Where a server may live.

    Attributes:
        folder: For its data; each server makes a folder of its own name.
        logs: For its messages.
        password: What its clients must give.
        last_port: The port that a server of this name had last, if any.
        durable: False keeps its data in memory only, where it can.
    """

    folder: Path
    logs: Path
    password: str
    last_port: Callable[[str], int | None] = lambda _: None
    durable: bool = True


@dataclass(frozen=True)
class QueueServer:
    """The server that was chosen.

    Attributes:
        name: Of the program, as logs and messages call it.
        note: What its user should know about the choice, in a sentence.
    """

    name: str
    server: Server
    note: str | None = None


@dataclass(frozen=True)
class Dashboard:
    """A program that shows the queue in a browser, on 127.0.0.1 only."""

    command: list[str]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NoDashboard:
    """Why there is none, in a sentence, if its user can change that."""

    reason: str | None = None
