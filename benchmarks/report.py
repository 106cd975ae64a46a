"""The tables of each part of a run, and what is needed to repeat them."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from product import Product

ROOT = Path(__file__).resolve().parents[1]


class Report:
    """Collects a part's sections; `text()` is all of them as Markdown."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._part = ""
        self._sections: list[str] = []
        self._facts = [
            ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
            ("machine", f"{os.cpu_count()} x {_processor()}, {_memory_gb()} GB, Linux"),
            ("load average before", f"{os.getloadavg()[0]:.1f}"),
            ("template", _revision()),
        ]

    def say(self, what: str) -> None:
        """Show progress."""
        print(f"[{time.monotonic() - self._began:5.0f} s] {what}", file=sys.stderr, flush=True)

    def describe(self, product: Product) -> None:
        """Note the versions of what is measured."""
        self._facts.append(("versions", product.versions()))

    def begin(self, part: str) -> None:
        """Forget the part before: what follows belongs to this one."""
        self._part = part
        self._sections = []

    def table(
        self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *notes: str
    ) -> None:
        """Add a section: a table and sentences about it. Numbers stand to the right."""
        lines = [f"## {title}", "", *_table(header, rows)]
        for note in notes:
            lines += ["", note]
        self._sections.append("\n".join(lines))
        self.say(f"{title}: done")

    def text(self) -> str:
        """The part, with what it was measured on, as Markdown."""
        facts = [("command", f"`make bench ONLY={self._part}`"), *self._facts]
        head = [f"# Benchmark: {self._part}", "\n".join(_table(("this run", ""), facts))]
        return "\n\n".join([*head, *self._sections]) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    rule = [
        "-" * width if i == 0 or header[i] == "" else "-" * (width - 1) + ":"
        for i, width in enumerate(widths)
    ]
    lines = []
    for row in (header, rule, *rows):
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _revision() -> str:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or "unknown"
