"""What `app new-table` prints."""

import difflib
import sys
from collections.abc import Sequence

from app.dev.servers import BACKEND
from app.scaffold.files import write
from app.scaffold.names import Refusal
from app.scaffold.plan import Plan, plan


def new_table(
    table: str, fields: Sequence[str], singular: str | None, *, wiring: bool, dry_run: bool
) -> None:
    """Write a tenant table and what belongs to it, or show it; see `plan` for the arguments.

    Raises:
        SystemExit: it cannot be, with the reason and the remedy.
    """
    try:
        made = plan(BACKEND, table, fields, singular=singular, wiring=wiring)
    except Refusal as refusal:
        sys.exit(str(refusal))
    if dry_run:
        _show(made)
        return
    try:
        write(made)
    except OSError as error:
        sys.exit(f"Nothing was written: {error}")
    for path in made.files:
        verb = "changed" if path in made.edited else "wrote"
        _say(f"{verb:<7}  {path.relative_to(BACKEND)}")
    if made.by_hand:
        _say(f"\nAdd by hand:\n{made.by_hand.rstrip()}")
    tests = f"tests/test_{table}.py tests/test_isolation.py tests/test_isolation_http.py"
    _say(f'\nNext:\n  make migrate\n  make permissions\n  make check\n  make test ARGS="{tests}"')


def _show(made: Plan) -> None:
    for path, text in made.files.items():
        name = str(path.relative_to(BACKEND))
        before = path.read_text() if path in made.edited else ""
        origin = name if path in made.edited else "/dev/null"
        lines = difflib.unified_diff(
            before.splitlines(), text.splitlines(), origin, name, lineterm=""
        )
        _say("\n".join(lines) or f"--- /dev/null\n+++ {name}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
