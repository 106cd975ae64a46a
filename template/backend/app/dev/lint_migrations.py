"""`make check`: what a migration would do to a table that is in use, as squawk sees it.

https://squawkhq.com. The first revisions make every table, so that nobody uses any yet; what is
said of later ones counts. `.squawk.toml` has the rules that are left out, with the reasons.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from app.migrations import revisions_as_sql
from app.revisions import BACKEND, HISTORIES

FIRST = frozenset({"c0001", "t0001", "t0002"})


def main() -> int:
    """Return squawk's exit code, 0 if there is nothing to look at."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for branch in HISTORIES:
            for revision, text in revisions_as_sql(branch):
                if revision not in FIRST:
                    path = Path(folder, f"{revision}.sql")
                    path.write_text(text)
                    files.append(path)
        if not files:
            return 0
        squawk = Path(sys.executable).with_name("squawk")
        return subprocess.run(  # noqa: S603
            [squawk, "--config", BACKEND / ".squawk.toml", *files], check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
