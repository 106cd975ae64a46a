"""What an operator does when another provider signs people in: `uv run app users switch`."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import typer

from app.choices import tenancy
from app.database import psycopg_url
from app.tenancy.operate import Connection, connect, owner_url, visible

COLUMNS = ("kind", "before", "after")
LONGEST = 255
_CHANGES = {
    "user": "select app.change_subject(%s, %s)",
    "organization": "select app.change_organization(%s, %s)",
}


@dataclass(frozen=True, slots=True)
class _Change:
    """One row of the file; an organization without `after` becomes the product's own."""

    line: int
    kind: str
    before: str
    after: str | None

    def __str__(self) -> str:
        after = "the product" if self.after is None else visible(self.after)
        return f"line {self.line}: {self.kind} {visible(self.before)} to {after}"


def switch(file: Path) -> None:
    """Give people and organizations the ids by which another provider names them.

    Each database changes wholly or not at all.

    Args:
        file: A CSV with the columns kind (user or organization), before, after.

    Raises:
        SystemExit: the file cannot be read, or names whom nobody knows, or ids that are others'
            already. What an earlier database took is kept; run again, it is found done.
    """
    changes = list(_read(file))
    found: dict[_Change, str] = {}
    with connect() as control:
        request = control.execute("select app.request_id()").fetchone()
        for url in tenancy.databases_of(owner_url()):
            with psycopg.connect(psycopg_url(url), application_name="operator") as home:
                home.execute("select set_config('app.request_id', %s, true)", request)
                outcomes = _apply(home, changes)
            for change, outcome in outcomes.items():
                if found.get(change, "unknown") == "unknown" or outcome == "changed":
                    found[change] = outcome
    unknown = [change for change, outcome in found.items() if outcome == "unknown"]
    counted = Counter(found.values())
    typer.echo(f"{counted['changed']} changed, {counted['done']} were so already.")
    if unknown:
        lines = ("Nobody and nothing here has either id of these:", *map(str, unknown))
        raise SystemExit("\n  ".join(lines))


def _apply(home: Connection, changes: list[_Change]) -> dict[_Change, str]:
    outcomes = {}
    for change in changes:
        answer = home.execute(_CHANGES[change.kind], (change.before, change.after)).fetchone()
        outcomes[change] = "unknown" if answer is None else str(answer[0])
    taken = [change for change, outcome in outcomes.items() if outcome == "taken"]
    if taken:
        lines = (
            f"Nothing was changed in {home.info.dbname}: two have the ids of these. Somebody",
            "signed in with the new provider before: leave the line out, and let them in anew.",
            *map(str, taken),
        )
        raise SystemExit("\n  ".join(lines))
    return outcomes


def _read(file: Path) -> Iterator[_Change]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{file} cannot be read: {error}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise SystemExit(f"The first line of {file} must be: {','.join(COLUMNS)}")
    seen: set[tuple[str, str]] = set()
    for row in rows:
        change = _Change(rows.line_num, row["kind"], row["before"], row["after"] or None)
        ids = {(change.kind, name) for name in (change.before, change.after) if name}
        if fault := _fault_of(change) or ("an id comes twice" if ids & seen else None):
            raise SystemExit(f"Nothing was changed: {file}, {change}: {fault}.")
        seen |= ids
        yield change


def _fault_of(change: _Change) -> str | None:
    if change.kind not in {"user", tenancy.TENANT} & _CHANGES.keys():
        return "it must be a user, or an organization where there are any"
    if change.after is None and change.kind == "user":
        return "a user needs an id"
    longest = max(len(change.before or ""), len(change.after or ""))
    if not change.before or longest > LONGEST:
        return f"an id has 1 to {LONGEST} characters"
    return None
