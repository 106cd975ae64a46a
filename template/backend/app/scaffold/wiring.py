"""The lines that a feature needs in files that are there already.

They are put where the syntax tree says, so that a file that looks otherwise is noticed.
"""

import ast
from collections.abc import Iterator
from typing import TypeVar

from app.scaffold.names import Names, Refusal

_Found = TypeVar("_Found")


class Unexpected(Exception):  # noqa: N818  # caught where the file's name is known
    """The file is not as it was generated; the text names what is missing."""


def add_model(source: str, names: Names) -> str:
    """`app/models.py`, with the model.

    Raises:
        Refusal: the name is taken.
        Unexpected: there is no place for it.
    """
    tree = ast.parse(source)
    if names.model in bound(tree):
        raise Refusal(
            f"There already is a model {names.model}: say what one of the {names.words} is called, "
            "with --singular."
        )
    exported = _one(
        "list `__all__`",
        (
            node.value.elts
            for node in tree.body
            if isinstance(node, ast.Assign)
            and [ast.unparse(target) for target in node.targets] == ["__all__"]
            and isinstance(node.value, ast.List)
        ),
    )
    edited = _append(source, exported, f'"{names.model}"', "`__all__`")
    return _import(edited, f"from app.features.{names.table}.models import {names.model}")


def add_router(source: str, names: Names) -> str:
    """`app/main.py`, with the router.

    Raises:
        Refusal: the name is taken.
        Unexpected: there is no place for it.
    """
    tree = ast.parse(source)
    if names.table in bound(tree):
        raise Refusal(
            f"app/main.py uses the name {names.table} for something else: choose another for the "
            f"table, such as my_{names.table}."
        )
    routers = _one(
        "loop `for feature in (…)` with `app.include_router(feature.router, prefix=API)`",
        (
            node.iter.elts
            for node in ast.walk(tree)
            if isinstance(node, ast.For)
            and ast.unparse(node.target) == "feature"
            and isinstance(node.iter, ast.Tuple)
            and ast.unparse(node.body[0]) == "app.include_router(feature.router, prefix=API)"
        ),
    )
    edited = _append(source, routers, names.table, "the loop")
    return _import(edited, f"from app.features.{names.table} import endpoints as {names.table}")


def add_permissions(source: str, names: Names) -> str:
    """`app/auth/permissions.py`: viewers read and members write, and what that means.

    Raises:
        Refusal: there are such permissions.
        Unexpected: there is no place for them.
    """
    read, write = f'"{names.table}:read"', f'"{names.table}:write"'
    if read in source or write in source:
        raise Refusal(f"There already is a permission {read} or {write}: choose another name.")
    for name, added in (("_MEMBER", write), ("_VIEWER", read), ("Permission", f"{read}, {write}")):
        value = _one(
            name,
            (
                node.value
                for node in ast.parse(source).body
                if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name
            ),
        )
        elements = _one(
            f"list of permissions in {name}",
            (node.elts for node in ast.walk(value) if isinstance(node, ast.Set | ast.Tuple)),
        )
        source = _append(source, elements, added, name)
    meanings = _one(
        "dictionary MEANINGS",
        (
            node.value.values
            for node in ast.parse(source).body
            if isinstance(node, ast.AnnAssign)
            and ast.unparse(node.target) == "MEANINGS"
            and isinstance(node.value, ast.Dict)
        ),
    )
    added = f'{read}: "See {names.words}", {write}: "Add, change and delete them"'
    return _append(source, meanings, added, "MEANINGS")


def by_hand(names: Names) -> str:
    """What to add where, for people."""
    return f"""\
app/models.py            from app.features.{names.table}.models import {names.model}
                         "{names.model}" in __all__
app/auth/permissions.py  "{names.table}:read", "{names.table}:write" in Permission, the first in
                         _VIEWER, the second in _MEMBER; what both mean in MEANINGS
app/main.py              from app.features.{names.table} import endpoints as {names.table}
                         {names.table} in the loop that includes routers
"""


def bound(tree: ast.AST) -> list[str]:
    """Every name that is given a meaning, as often as it is."""
    names: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.alias():
                names.append((node.asname or node.name).split(".")[0])
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.append(node.name)
            case ast.Name(ctx=ast.Store()):
                names.append(node.id)
            case ast.arg():
                names.append(node.arg)
    return names


def _one(what: str, found: Iterator[_Found | None]) -> _Found:
    first, *more = [*found, None]
    if first is None or len(more) > 1:
        raise Unexpected(what)
    return first


def _append(source: str, elements: list[ast.expr], added: str, what: str) -> str:
    """The source with another element behind the last; the formatter breaks the lines."""
    if not elements:
        raise Unexpected(f"element of {what}")
    last = elements[-1]
    return _insert(source, last.end_lineno, last.end_col_offset, f", {added}")


def _import(source: str, line: str) -> str:
    """The source with another import behind the last; ruff sorts them."""
    tree = ast.parse(source)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if not imports:
        raise Unexpected("import")
    return _insert(source, imports[-1].end_lineno, imports[-1].end_col_offset, f"\n{line}")


def _insert(source: str, line: int | None, column: int | None, text: str) -> str:
    if line is None or column is None:
        raise TypeError("the syntax tree was not made from text")
    lines = source.encode().splitlines(keepends=True)
    before, after = lines[line - 1][:column], lines[line - 1][column:]
    lines[line - 1] = before + text.encode() + after  # columns count bytes of UTF-8
    return b"".join(lines).decode()
