"""For a product that sends no mails."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol


class Mailbox(Protocol):
    """What keeps mails, if there is anything."""

    process: subprocess.Popen[bytes]
    port: int
    smtp_port: int
    url: str
    page: str

    def wait_ready(self) -> None:
        """Wait until it answers."""

    def stop(self) -> None:
        """Stop it."""


def launch(_dev_dir: Path, _log: Path, _last: Callable[[str], int | None]) -> Mailbox | None:
    """Nothing to start."""
    return None


def settings(_url: str | None) -> Mapping[str, str]:
    """No settings."""
    return {}
