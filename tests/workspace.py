"""A folder in which one combination after another is set up and tried."""

import filecmp
import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

INSTALLED = {
    *(".venv", ".tools", "node_modules", ".node", ".next"),
    *(".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__"),
}
"""Folders that the tools bring up to date themselves."""

_API_TYPES = "schema.d.ts"
_NOTES = {"next-env.d.ts", "tsconfig.tsbuildinfo"}
"""What a build or a check leaves beside its sources, for the next one."""
_MADE = {".ready", "uv.lock", "package-lock.json", ".openapi.json", _API_TYPES, *_NOTES}
_FRONT_END = "frontend"


class Workspace:
    """A repository that becomes another combination's and keeps what was slow to install.

    For make and the tools it is as if its owner had changed those files that differ, and no others.
    So they do again what depends on them, and the rest is still there.
    """

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self._done: dict[str, str] = {}

    def hold(self, rendered: Path) -> None:
        """Become what has been rendered; data, settings and secrets of before are gone."""
        shutil.rmtree(self.repository / ".dev", ignore_errors=True)
        wanted, present = set(_files(rendered)), set(_files(self.repository))
        gone = {name for name in present - wanted if name.name not in _MADE}
        changed = {
            name
            for name in wanted
            if name not in present or not _same(rendered / name, self.repository / name)
        }
        for name in gone:
            (self.repository / name).unlink()
        for name in changed:
            target = self.repository / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(rendered / name, target)  # with the time of now, which make asks for
        if any(name.parts[0] == _FRONT_END for name in gone | changed):
            for made in (".ready", f"src/api/{_API_TYPES}"):
                (self.repository / _FRONT_END / made).unlink(missing_ok=True)
        for folder, folders, files in os.walk(self.repository, topdown=False):
            if not folders and not files and not INSTALLED & set(Path(folder).parts):
                Path(folder).rmdir()

    def once(self, what: str, do: Callable[[], object]) -> None:
        """Do something with the front end, unless it was done last with the same files."""
        files = self._front_end()
        if self._done.get(what) != files:
            self.forget(what)
            do()
            self._done[what] = files

    def forget(self, what: str) -> None:
        """What was done is undone, or was done otherwise since."""
        self._done.pop(what, None)

    def _front_end(self) -> str:
        root = self.repository / _FRONT_END
        content = sha256()
        for name in sorted(name for name in _files(root) if name.name not in _NOTES):
            content.update(bytes(name) + sha256((root / name).read_bytes()).digest())
        return content.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder, relative to it, without what was installed."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in INSTALLED]
        for name in files:
            yield Path(folder, name).relative_to(root)


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False) and one.stat().st_mode == other.stat().st_mode
