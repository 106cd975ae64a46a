"""Parse every YAML, TOML and JSON file of the repository that is written out, not rendered.

Exits with 1 and a line per file that does not parse.
"""

import json
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
    """Return how many files do not parse."""
    bad = 0
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


if __name__ == "__main__":
    sys.exit(min(main(), 1))
