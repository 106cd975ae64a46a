"""What `make setup` and `make demo` call: which Python is taken, and what a demo keeps."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rendering import clean_environment, questions
from worktree import ROOT, files


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the working tree, uncommitted work included."""
    destination = tmp_path / "clone"
    for path in files():
        (destination / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, destination / path)
    subprocess.run(["git", "init", "--quiet"], cwd=destination, check=True)
    return destination


def demo(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what `make demo` runs to render."""
    return subprocess.run(
        [sys.executable, "scripts/demo.py", *arguments],
        cwd=clone,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def answers(clone: Path) -> dict[str, str]:
    loaded: dict[str, str] = yaml.safe_load((clone / "demo/.copier-answers.yml").read_text())
    return loaded


def test_a_demo_has_the_default_answers_and_is_rendered_once(clone: Path) -> None:
    first = demo(clone)
    assert first.returncode == 0, first.stderr
    assert answers(clone)["project_name"] == questions()["project_name"]["default"]
    written = (clone / "demo/README.md").stat()

    again = demo(clone)
    assert "unchanged" in again.stdout
    assert (clone / "demo/README.md").stat().st_mtime_ns == written.st_mtime_ns


def test_a_demo_keeps_its_data_and_follows_the_template(clone: Path) -> None:
    stale = clone / "template/backend/app/stale/module.py"
    stale.parent.mkdir()
    stale.write_text("OLD = 1\n")
    assert demo(clone).returncode == 0
    own = {
        clone / "demo" / name: name for name in (".env", ".dev/postgres/base", "backend/uv.lock")
    }
    for path, text in own.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert (clone / "demo/backend/app/stale/module.py").exists()

    stale.unlink()
    added = clone / "template/backend/app/added.py"
    added.write_text("NEW = 1\n")
    done = demo(clone)
    assert done.returncode == 0, done.stderr
    assert not (clone / "demo/backend/app/stale").exists()
    assert (clone / "demo/backend/app/added.py").read_text() == "NEW = 1\n"
    assert {path: path.read_text() for path in own} == own


def test_a_demo_keeps_its_answers_until_told_others(clone: Path) -> None:
    assert demo(clone, "--", "-d", "project_name=Foo Bar").returncode == 0
    assert answers(clone)["project_slug"] == "foo-bar"

    (clone / "template/backend/app/added.py").write_text("NEW = 1\n")
    assert demo(clone).returncode == 0
    assert (clone / "demo/backend/app/added.py").exists()
    assert answers(clone)["project_name"] == "Foo Bar"

    assert demo(clone, "--", "-d", "project_name=Baz").returncode == 0
    assert answers(clone)["project_name"] == "Baz"


def test_a_refused_answer_leaves_the_demo_as_it_was(clone: Path) -> None:
    assert demo(clone).returncode == 0
    before = answers(clone)
    refused = demo(clone, "--", "-d", "project_slug=No")
    assert refused.returncode != 0
    assert "project_slug" in refused.stderr
    assert answers(clone) == before


def setup(clone: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=clone,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )


def test_setup_names_the_older_python_that_it_found(clone: Path, tmp_path: Path) -> None:
    older = tmp_path / "python3.9"
    older.write_text(
        "#!/bin/sh\nshift\n"
        f'exec {sys.executable} -c "import sys; sys.version_info = (3, 9, 2); $*"\n'
    )
    older.chmod(0o755)
    done = setup(clone, str(older))
    assert done.returncode != 0
    assert f"{older} is 3.9.2" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (clone / ".venv").exists()


def test_setup_says_when_no_python_runs(clone: Path) -> None:
    done = setup(clone, "/nonexistent/python")
    assert done.returncode != 0
    assert "/nonexistent/python cannot be run" in done.stderr


def test_setup_says_how_to_get_virtual_environments(clone: Path, tmp_path: Path) -> None:
    bare = tmp_path / "python3"
    bare.write_text(
        '#!/bin/sh\ncase "$*" in *ensurepip*|*"-m pip"*) exit 1;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    bare.chmod(0o755)
    done = setup(clone, str(bare))
    assert done.returncode != 0
    assert "python3-venv" in done.stderr


def test_a_finished_setup_is_left_alone(clone: Path) -> None:
    """With the pins installed no Python is looked for, so the broken one goes unnoticed."""
    venv = clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(sys.executable)
    shutil.copy(clone / "requirements.txt", venv / "installed.txt")
    done = setup(clone, "/nonexistent/python")
    assert done.returncode == 0, done.stderr
    assert not done.stdout
