"""`python -m app.dev.psql`: a psql session as the role that owns the schema.

Arguments go to psql: `python -m app.dev.psql -c 'select 1'`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from app.database import psycopg_url
from app.dev.postgres import find_programs
from app.dev.processes import DevelopmentError
from app.dev.servers import dev_environment, project_name


def main(arguments: list[str]) -> int:
    """Run psql until it ends and return its exit code."""
    try:
        with dev_environment():
            command = [str(_program()), *arguments]
            return subprocess.call(command, env={**os.environ, **_address()})  # noqa: S603
    except DevelopmentError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _address() -> dict[str, str]:
    """Return libpq's variables: every user can read another process's arguments."""
    url = os.environ.get("MIGRATION_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise DevelopmentError("Set DATABASE_URL: outside development there is no default.")
    parameters = conninfo_to_dict(psycopg_url(url))
    parameters["database"] = parameters.pop("dbname", None)
    return {f"PG{name.upper()}": str(value) for name, value in parameters.items() if value}


def _program() -> Path:
    found = shutil.which("psql")
    return Path(found) if found else find_programs(None, project_name()).path("psql")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
