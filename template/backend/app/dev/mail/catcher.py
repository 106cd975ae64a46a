"""Starts the server that keeps the mails of development, and says how the product finds it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from app.dev import processes
from app.dev.environment import REPOSITORY
from app.dev.processes import LOOPBACK, DevelopmentError, free_port, last_lines, port_is_free
from app.dev.web import address

_SECONDS = 30.0


class Mailbox:
    """The process that takes mails by SMTP and shows them on a page."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, smtp_port: int, log: Path
    ) -> None:
        self.process = process
        self.port = port
        self.smtp_port = smtp_port
        self.url = f"smtp://{LOOPBACK}:{smtp_port}"
        self.page = f"http://{LOOPBACK}:{port}"
        self._log = log

    def wait_ready(self) -> None:
        """Wait until it answers.

        Raises:
            DevelopmentError: it does not.
        """
        from app.dev.servers import answers

        up = processes.wait_until(
            lambda: self.process.poll() is not None or answers(f"{self.page}/messages"), _SECONDS
        )
        if not up or self.process.poll() is not None:
            raise DevelopmentError(
                f"The mail server does not start. The end of {self._log}:\n{last_lines(self._log)}"
            )

    def stop(self) -> None:
        """Stop it."""
        processes.stop(self.process, (signal.SIGTERM, 5.0))


def launch(dev_dir: Path, log: Path, last: Callable[[str], int | None]) -> Mailbox:
    """Start the server, on the ports that it had last if they are free."""
    port, smtp_port = (_port(last(name)) for name in ("mail", "smtp"))
    with log.open("ab") as output:
        process = processes.start(
            [
                *(sys.executable, "-m", "app.dev.mail.server"),
                *("--port", str(port), "--smtp-port", str(smtp_port)),
                *("--folder", str(dev_dir / "mails")),
            ],
            env=dict(os.environ),
            output=output,
            cwd=REPOSITORY / "backend",
        )
    return Mailbox(process, port, smtp_port, log)


def settings(url: str | None) -> Mapping[str, str]:
    """What the product needs to send mails, unless it is set; `url` is None if EMAIL_URL is set."""
    return {
        **({} if url is None else {"EMAIL_URL": url}),
        "EMAIL_FROM": "development@localhost.example",
        "APP_URL": address(),
    }


def _port(last: int | None) -> int:
    return last if last is not None and port_is_free(last) else free_port()
