"""The script that makes a branch for a preview, with a `neonctl` that notes what it is told."""

import os
import subprocess
from pathlib import Path

import pytest

from app.dev.servers import BACKEND

SCRIPT = BACKEND.parent / "scripts/neon-branch.sh"

NEONCTL = """\
#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
*connection-string*--pooled*)
    echo 'postgresql://neondb_owner:own@ep-new-1-pooler.aws.neon.tech/neondb?sslmode=require' ;;
*connection-string*)
    echo 'postgresql://neondb_owner:own@ep-new-1.aws.neon.tech/neondb?sslmode=require' ;;
*) echo 'some table' ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    (tmp_path / "neonctl").write_text(NEONCTL)
    (tmp_path / "neonctl").chmod(0o755)
    return tmp_path / "calls"


def run(calls: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *words],
        env={"PATH": f"{calls.parent}{os.pathsep}{os.defpath}", "CALLS": str(calls), **settings},
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_branch_is_made_and_its_settings_are_printed(calls: Path) -> None:
    done = run(
        calls,
        "create",
        "pr-1",
        NEON_PROJECT_ID="p1",
        NEON_PARENT="seeded",
        DATABASE_URL="postgresql://app_api:p%40w@ep-old-9-pooler.aws.neon.tech/neondb",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "MIGRATION_DATABASE_URL=postgresql://neondb_owner:own@ep-new-1.aws.neon.tech/neondb",
        "DATABASE_URL=postgresql://app_api:p%40w@ep-new-1-pooler.aws.neon.tech/neondb",
    ]
    assert calls.read_text().splitlines()[0] == (
        "branches create --name pr-1 --parent seeded --project-id p1"
    )


def test_a_branch_is_deleted(calls: Path) -> None:
    assert run(calls, "delete", "pr-1", NEON_PROJECT_ID="p1").returncode == 0
    assert calls.read_text() == "branches delete pr-1 --project-id p1\n"


def test_what_is_missing_is_named(calls: Path) -> None:
    assert "NEON_PROJECT_ID is not set" in run(calls, "delete", "pr-1").stderr
    assert "usage" in run(calls, "make", "pr-1", NEON_PROJECT_ID="p1").stderr
