"""Everything that a new table needs, computed and checked before anything is written."""

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app import main
from app.choices import tenancy
from app.scaffold.fields import read_fields
from app.scaffold.history import SQL, VERSIONS, next_revision, relations
from app.scaffold.names import Names, Refusal, named
from app.scaffold.text import formatted, rendered
from app.scaffold.wiring import (
    Unexpected,
    add_model,
    add_permissions,
    add_router,
    bound,
    by_hand,
)

_EDITS: dict[str, Callable[[str, Names], str]] = {
    "app/models.py": add_model,
    "app/auth/permissions.py": add_permissions,
    "app/main.py": add_router,
}


@dataclass(frozen=True)
class Plan:
    """Files as they will be.

    Args:
        backend: The folder that they are in.
        files: The text of each.
        edited: Those that are there already; the others must not be.
        by_hand: What is left to do by hand, for people; empty if nothing is.
    """

    backend: Path
    files: dict[Path, str]
    edited: set[Path]
    by_hand: str

    def text(self, path: str) -> str:
        """What will stand in the file at this path below `backend`."""
        return self.files[self.backend / path]


def plan(
    backend: Path,
    table: str,
    fields: Sequence[str],
    *,
    singular: str | None = None,
    wiring: bool = True,
) -> Plan:
    """What `app new-table` writes.

    Args:
        backend: The folder with `app`, `migrations` and `tests`.
        table: The table's name, a plural.
        fields: `name:type` each; without any, a name.
        singular: What one of the rows is called; derived from the table's name if None.
        wiring: Whether the files that know every feature are edited.

    Raises:
        Refusal: a name that cannot be or is taken, or a file that is not as expected.
    """
    names = named(table, singular)
    new = {backend / path: text for path, text in _new_files(backend, names, fields).items()}
    for path, text in new.items():
        if path.exists():
            raise Refusal(f"{path} exists already: choose another name, or remove it first.")
        _refuse_ambiguity(path, text, names)
    _refuse_taken(backend, names)
    edited = _edited(backend, names) if wiring else {}
    return Plan(backend, new | edited, set(edited), "" if wiring else by_hand(names))


def _new_files(backend: Path, names: Names, fields: Sequence[str]) -> dict[Path, str]:
    revision = next_revision(backend)
    facts = {
        "names": names,
        "fields": read_fields(fields, names),
        "revision": revision,
        "tenant_column": tenancy.TENANT_COLUMN,
        "tenant": tenancy.TENANT,
    }
    feature = Path("app/features") / names.table
    templates = {
        SQL / f"{revision.number}_{names.table}.sql": "table.sql",
        VERSIONS / f"{revision.id}_{names.table}.py": "revision.py",
        **{
            feature / f"{module}.py": f"{module}.py"
            for module in ("models", "schemas", "service", "endpoints")
        },
        Path("tests") / f"test_{names.table}.py": "test.py",
    }
    files = {path: rendered(template, facts) for path, template in templates.items()}
    files[feature / "__init__.py"] = ""
    code = {path: text for path, text in files.items() if path.suffix == ".py"}
    return files | formatted(code, backend / "ruff.toml", are_new=True)


def _refuse_ambiguity(path: Path, text: str, names: Names) -> None:
    """Refuse a name that the code around it uses for something else, as Session or Response."""
    if path.suffix != ".py":
        return
    module = ast.parse(text)
    ours = ast.Module([node for node in module.body if not isinstance(node, ast.Expr)], [])
    top: Counter[str] = Counter()
    for node in ours.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            top[node.name] += 1
        else:
            top.update(bound(node))
    twice = [name for name, times in top.items() if times > 1]
    if twice:
        raise Refusal(
            f"The code of a feature uses the name {twice[0]} for something else. Say what one of "
            f"the {names.words} is called, with --singular, or choose another name for the table."
        )


def _refuse_taken(backend: Path, names: Names) -> None:
    feature = backend / "app" / "features" / names.table
    if feature.exists():
        raise Refusal(f"{feature} exists already: choose another name, or remove it first.")
    if names.table in relations(backend):
        raise Refusal(
            f"The migrations already make something that is called {names.table}: choose another "
            "name for the table."
        )
    taken = {
        getattr(route, "path", "").split("/")[1]
        for module in vars(main).values()
        for route in getattr(getattr(module, "router", None), "routes", ())
    }
    if names.route in taken:
        raise Refusal(
            f"The address {main.API}/{names.route} is answered already: choose another name for "
            "the table."
        )


def _edited(backend: Path, names: Names) -> dict[Path, str]:
    edited: dict[Path, str] = {}
    for path, edit in _EDITS.items():
        try:
            edited[Path(path)] = edit((backend / path).read_text(), names)
        except (Unexpected, SyntaxError, FileNotFoundError) as error:
            raise Refusal(
                f"{path} is not as `app new-table` knows it: {error} is not there, or not once. "
                "Nothing was written. Run it again with --no-wiring, which writes only new files, "
                f"and add by hand:\n{by_hand(names)}"
            ) from None
    edited = formatted(edited, backend / "ruff.toml", are_new=False)
    return {backend / path: text for path, text in edited.items()}
