"""Templates in, text as the formatter leaves it out."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mako.template import Template

from app.scaffold.names import Refusal

_TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, facts: Mapping[str, Any]) -> str:
    """The text of a template; a name that nobody gave raises NameError."""
    file = _TEMPLATES / f"{template}.mako"
    return str(Template(filename=str(file), strict_undefined=True).render(**facts))  # noqa: S702


def formatted(files: Mapping[Path, str], settings: Path, *, are_new: bool) -> dict[Path, str]:
    """Python files as `make format` would leave them.

    Args:
        files: The text of each, by a relative path.
        settings: Those of ruff.
        are_new: Whether imports that nothing uses go: a template has all that it may need.

    Raises:
        Refusal: ruff is not installed.
    """
    if find_spec("ruff") is None:
        raise Refusal(
            "ruff is not installed here: new tables are made in development. `make setup`"
        )
    rules = "I,RUF022,F401" if are_new else "I,RUF022"
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        _ruff(folder, "check", "--config", str(settings), "--fix", "--exit-zero", "--select", rules)
        _ruff(folder, "format", "--config", str(settings))
        return {path: (folder / path).read_text() for path in files}


def _ruff(folder: Path, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"ruff {arguments[0]}: {done.stderr}")
