"""Parse every YAML, TOML and JSON file of the repository that is written out, not rendered.

And find files that are committed although a .gitignore names them: Copier leaves those out of a
copy of work that is not committed yet. Exits with 1 and a line per file.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from typing import Final

import yaml

from worktree import ROOT, files

PARSERS: Final[dict[str, Callable[[str], object]]] = {
    ".yml": yaml.safe_load,
    ".yaml": yaml.safe_load,
    ".toml": tomllib.loads,
    ".json": json.loads,
}


def main() -> int:
    """Return how many files are not as they should be."""
    bad = 0
    for name in ignored():
        bad += 1
        print(f"{name}: is committed, and ignored by a .gitignore", file=sys.stderr)
    for path in files():
        parse = PARSERS.get(path.suffix)
        if parse is None:
            continue
        try:
            parse((ROOT / path).read_text())
        except (yaml.YAMLError, ValueError) as error:
            bad += 1
            print(f"{path}: {error}", file=sys.stderr)
    return bad


def ignored() -> list[str]:
    """The committed files that git would not add again."""
    command = "git -c safe.directory=* ls-files --cached --ignored --exclude-standard"
    return subprocess.run(
        command.split(), cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(min(main(), 1))
