"""What `make dev` prints: its own progress, and the lines of its children with their names."""

import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_WIDTH = 8


class Console:
    """Writes whole lines to standard output; keeps working when nobody reads them any more."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def line(self, text: str = "") -> None:
        """Write one line at once."""
        # A closed terminal or pipe must not keep the parts from being stopped in order.
        with self._lock, suppress(OSError, ValueError):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def step(self, text: str) -> None:
        """Write a line of progress with the seconds since the start."""
        self.line(f"{time.monotonic() - self._begin:5.1f} s  {text}")

    def follow(self, name: str, process: subprocess.Popen[bytes], log: Path) -> threading.Thread:
        """Copy a child's output to its log file and, under its name, to the terminal."""
        thread = threading.Thread(target=self._copy, args=(name, process, log), daemon=True)
        thread.start()
        return thread

    def _copy(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        if process.stdout is None:
            raise RuntimeError(f"{name} was started without a pipe")
        with log.open("wb") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                self.line(f"{name:<{_WIDTH}}| {line.decode(errors='replace').rstrip()}")
