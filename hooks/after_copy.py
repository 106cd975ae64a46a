"""What happens once after `copier copy`: settings, a lock file and a first commit.

Runs with Copier's own Python in the new repository and needs nothing but the standard library.
Each step says in one line what it did or why it was skipped. A step that cannot be done never
fails the copy: `make setup` in the new repository does the same work later.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Seconds. A repository with this many files is locked or committed in one or two; the rest is for
# a slow network.
LOCK_TIMEOUT = 60
STEP_TIMEOUT = 30


class Skipped(Exception):  # noqa: N818 - it is no error
    """A step was left out; the message says why."""


def main(repository: Path) -> None:
    """Do every step in `repository`, one printed line each."""
    steps: Sequence[tuple[str, Callable[[Path], str]]] = (
        (".env", write_settings),
        ("backend/uv.lock", lock),
        ("git", commit),
    )
    for name, step in steps:
        try:
            outcome = step(repository)
        except Skipped as reason:
            outcome = f"skipped: {reason}"
        except (OSError, subprocess.SubprocessError) as error:
            outcome = f"skipped: {error}"
        print(f"{name}: {outcome}", flush=True)


def write_settings(repository: Path) -> str:
    """Let the repository write its own `.env` with generated secrets, unless it has one."""
    script = repository / "backend/app/dev/env_file.py"
    said = _run([sys.executable, str(script), "--repository", str(repository)], cwd=repository)
    return said.removeprefix(".env: ")


def lock(repository: Path) -> str:
    """Pin the backend's dependencies with uv, where it is installed and can reach an index."""
    backend = repository / "backend"
    if (backend / "uv.lock").exists():
        raise Skipped("it is there already")
    uv = shutil.which("uv")
    if uv is None:
        raise Skipped("uv is not installed; `make setup` makes it")
    # Without a network this is over in seconds. A copy downloads no Python behind anyone's back.
    offline_is_quick = {"UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}
    environment = {**offline_is_quick, **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    try:
        _run([uv, "lock", "--quiet"], cwd=backend, env=environment, timeout=LOCK_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Skipped(f"uv took over {LOCK_TIMEOUT} s; `make setup` makes it") from None
    except Skipped as reason:
        raise Skipped(f"{reason}; `make setup` makes it") from None
    return "made"


def commit(repository: Path) -> str:
    """Begin a git repository with one commit, unless the copy lies inside one already."""
    if shutil.which("git") is None:
        raise Skipped("git is not installed")
    # Set while git itself runs a hook, and then about another repository.
    location = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    environment = {name: value for name, value in os.environ.items() if name not in location}
    environment["LC_ALL"] = "C"

    def git(*arguments: str) -> str:
        return _run(["git", *arguments], cwd=repository, env=environment)

    try:
        around = git("rev-parse", "--show-toplevel")
    except Skipped as reason:
        if "not a git repository" not in str(reason):
            raise
    else:
        raise Skipped(f"the copy is inside the repository {around}")
    git("init", "--quiet")
    git("symbolic-ref", "HEAD", "refs/heads/main")
    git("add", "--all")
    try:
        git("-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT")
        git("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    except Skipped:
        return (
            "began a repository and staged all files; nothing is committed because "
            "git knows no user.name and user.email"
        )
    # A signature may ask for a passphrase, a personal hook for anything; here nobody answers.
    unattended = ("-c", "commit.gpgSign=false")
    git(*unattended, "commit", "--quiet", "--no-verify", "--message", "Begin from copier-saas")
    return "began a repository with a first commit on main"


def _run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = STEP_TIMEOUT,
) -> str:
    """Run a command to its end and return what it printed; a failure becomes Skipped."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        complaint = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        said = " ".join(line.strip() for line in complaint[-3:])
        raise Skipped(f"{Path(command[0]).name} said: {said}")
    return done.stdout.strip()


if __name__ == "__main__":
    main(Path.cwd())
