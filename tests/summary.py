"""How each combination did: the table at the end of a run, kept for whoever looks later."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from worktree import ROOT

KEPT_AS = ROOT / ".pytest_cache/matrix.md"


@dataclass
class Row:
    """What is known of a combination, over all the tests that name it."""

    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """In words, the worst first."""
        words = [f"{self.counts[word]} {word}" for word in _WORDS if word in self.counts]
        return ", ".join(words)


_WORDS = ("failed", "error", "passed", "skipped")


def write(reporter: pytest.TerminalReporter, names: Sequence[str], files: Sequence[str]) -> None:
    """Print the table and keep it in a file; nothing if no combination was tried.

    Args:
        names: The combinations' names as test ids have them, the longest first.
        files: Which tests count: those that every combination passes through.
    """
    rows = _rows(reporter, names, tuple(files))
    if not rows:
        return
    lines = [
        "| combination | seconds | result |",
        "| --- | ---: | --- |",
        *(f"| {name} | {row.seconds:.1f} | {row.result} |" for name, row in sorted(rows.items())),
    ]
    KEPT_AS.parent.mkdir(exist_ok=True)
    KEPT_AS.write_text("\n".join(lines) + "\n")
    reporter.section(f"{len(rows)} combinations, kept in {KEPT_AS.relative_to(ROOT)}")
    for line in lines:
        reporter.write_line(line)


def _rows(
    reporter: pytest.TerminalReporter, names: Sequence[str], files: tuple[str, ...]
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for outcome, report in _reports(reporter):
        name = next((name for name in names if name in report.nodeid), None)
        if name is None or not report.nodeid.startswith(files):
            continue
        row = rows.setdefault(name, Row())
        row.seconds += report.duration
        if outcome in _WORDS:
            row.counts[outcome] = row.counts.get(outcome, 0) + 1
    return rows


def _reports(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, pytest.TestReport]]:
    for outcome, reports in reporter.stats.items():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                yield outcome, report
