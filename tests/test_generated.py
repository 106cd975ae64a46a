"""A generated repository's own commands, in every combination, as its owner would type them."""

import subprocess
from pathlib import Path

import pytest

from rendering import Answers, clean_environment, render


@pytest.fixture(scope="module")
def repository(
    source: Path, combination: Answers, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A render to work in, already set up."""
    destination = tmp_path_factory.mktemp("generated") / "acme"
    # Root's servers run as another user, who has to reach their files.
    for folder in (destination.parent, destination.parent.parent):
        folder.chmod(0o755)
    render(source, destination, combination)
    make(destination, "setup")
    return destination


def make(repository: Path, *targets: str) -> str:
    """Run make as in a fresh shell; on failure show the end of what it said."""
    done = subprocess.run(
        ["make", *targets],
        cwd=repository,
        env=clean_environment(),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-80:])
    return done.stdout


def test_setup_writes_settings_and_lock_file_once(repository: Path) -> None:
    settings = repository / ".env"
    lock = repository / "backend/uv.lock"
    assert settings.stat().st_mode & 0o777 == 0o600
    before = settings.read_bytes(), lock.read_bytes()
    make(repository, "setup")
    assert (settings.read_bytes(), lock.read_bytes()) == before


def test_its_own_check_is_green(repository: Path) -> None:
    make(repository, "check")


def test_its_own_tests_are_green(repository: Path) -> None:
    make(repository, "test")
