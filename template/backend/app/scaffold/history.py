"""Where the migration of a new table stands, and what tables there are."""

import re
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from app.models import Base
from app.scaffold.names import Refusal

SQL = Path("migrations/sql/tenant")
VERSIONS = Path("migrations/tenant")

_NUMBERED = re.compile(r"\D*(\d+)_")
_MADE = re.compile(
    r"\bcreate\s+(?:unlogged\s+|unique\s+|materialized\s+)*"
    r"(?:table|index|view|sequence|type|domain)\s+(?:if\s+not\s+exists\s+)?"
    r'(?:public\.)?"?(\w+)\b(?!\.)',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Revision:
    """A migration of tenants' tables that is to be written."""

    number: str
    follows: str

    @property
    def id(self) -> str:
        """What the history calls it."""
        return f"t{self.number}"


def next_revision(backend: Path) -> Revision:
    """The migration behind the last.

    Raises:
        Refusal: the history does not end in one revision.
    """
    versions = [str(backend / VERSIONS)]
    script = ScriptDirectory(str(backend / VERSIONS.parent), version_locations=versions)
    heads = script.get_heads()
    if len(heads) != 1:
        raise Refusal(
            f"The migrations end in {len(heads)} revisions ({', '.join(heads)}), so none can "
            "follow. Make one line of them first: in one of the files in "
            f"{VERSIONS}, let down_revision name the other."
        )
    names = (file.name for folder in (SQL, VERSIONS) for file in (backend / folder).iterdir())
    numbers = [int(match[1]) for name in names if (match := _NUMBERED.match(name))]
    return Revision(f"{max(numbers, default=0) + 1:04}", heads[0])


def relations(backend: Path) -> set[str]:
    """The names that a new table cannot have: those of models, and what migrations made."""
    written = "\n".join(
        file.read_text() for file in (backend / "migrations").rglob("*.*") if _is_text(file)
    )
    modelled = {table.name for table in Base.metadata.tables.values() if table.schema is None}
    return modelled | {name.lower() for name in _MADE.findall(written)}


def _is_text(file: Path) -> bool:
    return file.suffix in {".sql", ".py"}
