"""Writes a plan, or nothing."""

from contextlib import ExitStack
from pathlib import Path

from app.scaffold.plan import Plan


def write(plan: Plan) -> None:
    """Write every file; if one cannot be written, leave everything as it was.

    Raises:
        OSError: one cannot be written; FileExistsError if a new one is there by now.
    """
    with ExitStack() as undo:
        for path, text in plan.files.items():
            if path in plan.edited:
                undo.callback(_replace, path, path.read_bytes())
                _replace(path, text.encode())
            else:
                _make_folder(path.parent, undo)
                with path.open("x", encoding="utf-8", newline="\n") as file:
                    undo.callback(path.unlink)
                    file.write(text)
        undo.pop_all()


def _make_folder(folder: Path, undo: ExitStack) -> None:
    if not folder.exists():
        _make_folder(folder.parent, undo)
        folder.mkdir()
        undo.callback(folder.rmdir)


def _replace(path: Path, content: bytes) -> None:
    """Put the content in place at once, so that nobody reads half of it."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.chmod(path.stat().st_mode)
    draft.replace(path)
