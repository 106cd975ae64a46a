"""Programs from npm, each with its package.json in a folder beside this file."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rendering import clean_environment

HERE = Path(__file__).parent


def install(name: str, folder: Path) -> Path:
    """Put a program into a folder with what it needs, and return the folder."""
    shutil.copytree(HERE / name, folder, dirs_exist_ok=True)
    done = subprocess.run(
        ["npm", "install", "--no-package-lock", "--ignore-scripts"],
        cwd=folder,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def lines_of(script: Path, *arguments: str, **settings: str) -> Iterator[Any]:
    """Run a script of such a program and give the lines of JSON that it prints."""
    done = subprocess.run(
        ["node", script, *arguments],
        env=clean_environment(**settings),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for line in done.stdout.splitlines():
        yield json.loads(line)
