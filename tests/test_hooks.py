"""What a real `copier copy` does around the files: settings, lock file, git, and trust."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rendering import clean_environment
from worktree import ROOT

HOOK = ROOT / "hooks/after_copy.py"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def environment(home: Path, **extra: str) -> dict[str, str]:
    """A user whose machine says nothing about git, uv and Copier, and who has no network."""
    home.mkdir(exist_ok=True)
    return clean_environment(
        HOME=str(home),
        XDG_CONFIG_HOME=str(home / "config"),
        COPIER_SETTINGS_PATH=str(home / "copier.yml"),
        GIT_CONFIG_NOSYSTEM="1",
        UV_OFFLINE="1",
        UV_CACHE_DIR=str(home / "uv-cache"),
        **extra,
    )


def copy(
    source: Path, destination: Path, *options: str, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", "copy", "--defaults", *options, source, destination],
        env=env,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def git(repository: Path, *arguments: str, env: dict[str, str]) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=repository, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


def said(output: str, step: str) -> str:
    """What a step printed: exactly one line."""
    lines = [line for line in output.splitlines() if line.startswith(f"{step}: ")]
    assert len(lines) == 1, output
    return lines[0].removeprefix(f"{step}: ")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where to copy to, in no git repository."""
    found = subprocess.run(
        ["git", "rev-parse"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert found.returncode, "the temporary folder is inside a git repository"
    return tmp_path / "acme"


def test_a_copy_is_ready_to_work_in(source: Path, outside: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", **IDENTITY)
    done = copy(source, outside, "--trust", env=env)
    assert done.returncode == 0, done.stderr

    assert "first commit" in said(done.stdout, "git")
    assert git(outside, "branch", "--show-current", env=env) == "main"
    assert git(outside, "log", "--format=%an", env=env) == "Ada"
    assert git(outside, "status", "--porcelain", env=env) == ""
    tracked = git(outside, "ls-files", env=env).splitlines()
    assert ".copier-answers.yml" in tracked
    assert ".env" not in tracked

    said(done.stdout, ".env")
    assert stat.S_IMODE((outside / ".env").stat().st_mode) == 0o600
    assert "make dev" in done.stderr


def test_secrets_are_never_overwritten_and_never_shared(
    source: Path, outside: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path / "home", **IDENTITY)
    other = tmp_path / "other"
    for destination in (outside, other):
        assert copy(source, destination, "--trust", env=env).returncode == 0
    first = (outside / ".env").read_text()
    assert "APP_API_PASSWORD=" in first
    assert (other / ".env").read_text() != first

    again = copy(source, outside, "--trust", "--overwrite", env=env)
    assert again.returncode == 0, again.stderr
    assert (outside / ".env").read_text() == first
    assert "inside the repository" in said(again.stdout, "git")
    assert git(outside, "rev-list", "--count", "HEAD", env=env) == "1"


def test_inside_a_repository_nothing_is_begun(source: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", **IDENTITY)
    around = tmp_path / "around"
    around.mkdir()
    git(around, "init", "--quiet", env=env)
    done = copy(source, around / "products/acme", "--trust", env=env)
    assert done.returncode == 0, done.stderr
    assert said(done.stdout, "git").startswith("skipped: ")
    assert not (around / "products/acme/.git").exists()
    assert git(around, "diff", "--cached", "--name-only", env=env) == ""


def test_without_an_identity_the_files_are_staged(
    source: Path, outside: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path / "home")
    done = copy(source, outside, "--trust", env=env)
    assert done.returncode == 0, done.stderr
    assert "user.name" in said(done.stdout, "git")
    staged = git(outside, "diff", "--cached", "--name-only", env=env).splitlines()
    assert "README.md" in staged
    assert ".env" not in staged
    assert git(outside, "status", "--porcelain", env=env).count("\n?? ") == 0


def test_a_commit_that_git_refuses_does_not_fail_the_copy(
    source: Path, outside: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path / "home", **(IDENTITY | {"GIT_AUTHOR_DATE": "never"}))
    done = copy(source, outside, "--trust", env=env)
    assert done.returncode == 0, done.stderr
    assert "GIT_AUTHOR_IDENT" in said(done.stdout, "git") or "user.name" in said(done.stdout, "git")


def test_a_signing_key_is_not_asked_for(source: Path, outside: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = environment(home, **IDENTITY)
    (home / ".gitconfig").write_text("[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n")
    done = copy(source, outside, "--trust", env=env)
    assert "first commit" in said(done.stdout, "git")


def test_without_git_and_uv_the_copy_succeeds(tmp_path: Path, rendered: Path) -> None:
    repository = tmp_path / "acme"
    shutil.copytree(rendered, repository)
    nothing = tmp_path / "bin"
    nothing.mkdir()
    done = subprocess.run(
        [sys.executable, HOOK],
        cwd=repository,
        env=environment(tmp_path / "home") | {"PATH": str(nothing)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert said(done.stdout, "git") == "skipped: git is not installed"
    assert said(done.stdout, "backend/uv.lock").startswith("skipped: uv is not installed")
    assert (repository / ".env").exists()
    assert not (repository / ".git").exists()


def test_without_a_network_the_lock_file_is_left_for_later(
    source: Path, outside: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path / "home", **IDENTITY)
    assert shutil.which("uv", path=env["PATH"]), "the test needs uv"
    done = copy(source, outside, "--trust", env=env)
    assert done.returncode == 0, done.stderr
    line = said(done.stdout, "backend/uv.lock")
    assert line.startswith("skipped: uv said: ")
    assert line.endswith("`make setup` makes it")
    assert not (outside / "backend/uv.lock").exists()


def test_with_a_network_the_lock_file_is_in_the_first_commit(
    source: Path, outside: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path / "home", **IDENTITY)
    for name in ("UV_OFFLINE", "UV_CACHE_DIR"):
        del env[name]
    if "UV_CACHE_DIR" in os.environ:
        env["UV_CACHE_DIR"] = os.environ["UV_CACHE_DIR"]
    done = copy(source, outside, "--trust", env=env)
    assert done.returncode == 0, done.stderr
    assert said(done.stdout, "backend/uv.lock") == "made"
    assert "backend/uv.lock" in git(outside, "ls-files", env=env).splitlines()


def test_without_tasks_a_copy_needs_no_trust(source: Path, outside: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "home", **IDENTITY)
    refused = copy(source, outside, env=env)
    assert refused.returncode != 0
    assert "--trust" in refused.stderr + refused.stdout

    done = copy(source, outside, "--skip-tasks", env=env)
    assert done.returncode == 0, done.stderr
    assert (outside / "README.md").exists()
    assert not (outside / ".env").exists()
    assert not (outside / ".git").exists()
