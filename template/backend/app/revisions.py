"""What this code knows about the histories of migrations."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

BACKEND = Path(__file__).resolve().parents[1]


@cache
def head(branch: str) -> str:
    """The revision that this code was written for, of the history `control` or `tenant`."""
    (revision,) = ScriptDirectory.from_config(alembic_config()).get_revisions(f"{branch}@head")
    return str(revision.revision)


@cache
def earlier_revisions() -> frozenset[str]:
    """The revisions that this code is too new for, of both histories."""
    history = ScriptDirectory.from_config(alembic_config()).walk_revisions("base", "heads")
    return frozenset(str(r.down_revision) for r in history if r.down_revision is not None)


def alembic_config(connection: Connection | None = None, version_schema: str = "") -> Config:
    """Alembic's settings, with what `migrations/env.py` reads."""
    config = Config(BACKEND / "alembic.ini")
    config.attributes["connection"] = connection
    config.attributes["version_schema"] = version_schema
    return config
