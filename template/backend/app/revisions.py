"""What this code knows about the histories of migrations.

It is read from their files. Every process needs it, and Alembic would cost each ten megabytes.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

BACKEND = Path(__file__).resolve().parents[1]
HISTORIES = ("control", "tenant")


@cache
def head(branch: str) -> str:
    """The revision that this code was written for, of the history `control` or `tenant`.

    Raises:
        RuntimeError: the history does not end in one revision.
    """
    history = _history(branch)
    heads = set(history).difference(*history.values())
    if len(heads) != 1:
        raise RuntimeError(f"migrations/{branch} ends in {sorted(heads)}, not in one revision")
    return heads.pop()


@cache
def earlier_revisions() -> frozenset[str]:
    """The revisions that this code is too new for, of both histories."""
    return frozenset().union(*(ids for branch in HISTORIES for ids in _history(branch).values()))


def _history(branch: str) -> dict[str, frozenset[str]]:
    """Each revision, with those that it follows."""
    found = {}
    for file in (BACKEND / "migrations" / branch).glob("*.py"):
        said = _assigned(ast.parse(file.read_bytes()))
        follows = said.get("down_revision") or ()
        found[said["revision"]] = frozenset([follows] if isinstance(follows, str) else follows)
    return found


def _assigned(module: ast.Module) -> dict[str, Any]:
    """What stands for itself in a module: names that are given a text, a tuple of texts or None."""
    said = {}
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if name in {"revision", "down_revision"}:
                    said[name] = ast.literal_eval(value)
    return said
