"""The template's files as they are now, committed or not.

The demo and the tests render a copy of these, so that work in progress is what is tried, and what
git ignores is never rendered.
"""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def files() -> list[Path]:
    """Paths, relative to the root and sorted, of what git tracks or would add.

    Raises:
        SystemExit: this is not a git checkout.
    """
    # A checkout that belongs to another user is common in containers, and is only listed here.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        raise SystemExit(
            f"git cannot list the files of {ROOT}: {listing.stderr.strip()}\n"
            "Work in a clone of the repository; an unpacked archive is not enough."
        )
    paths = {Path(name) for name in listing.stdout.split("\0") if name}
    return sorted(path for path in paths if (ROOT / path).is_symlink() or (ROOT / path).is_file())


def template_files() -> list[Path]:
    """Those of `files()` that decide what a copy looks like."""
    return [path for path in files() if path.parts[0] in {"copier.yml", "template", "hooks"}]


def snapshot(destination: Path) -> Path:
    """Copy what Copier reads to `destination`, which is created, and return it."""
    for path in template_files():
        target = destination / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target, follow_symlinks=False)
    return destination
