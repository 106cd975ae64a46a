"""Render the template's working tree into ./demo, if that would change anything.

The demo keeps its own files (settings, databases, virtual environments): only what was rendered
before is replaced or removed. Without `--ask` and options for Copier it also keeps its answers.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from worktree import ROOT, snapshot, template_files

DEMO = ROOT / "demo"
ANSWERS = DEMO / ".copier-answers.yml"
RECORD = DEMO / ".rendered.json"
WHERE = "Type its commands in ./demo, in a second terminal."


def main() -> None:
    """Bring ./demo up to date, saying what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ask", action="store_true", help="ask the questions")
    parser.add_argument("options", nargs="*", help="options for `copier copy`, after --")
    arguments = parser.parse_args()

    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    template = digest()
    options = arguments.options or before.get("options", [])
    wanted = {"template": template, "options": options}
    current = {name: before.get(name) for name in wanted}
    if current == wanted and ANSWERS.exists() and not arguments.ask:
        print(f"demo: unchanged since the last render. {WHERE}")
        return

    keeps_answers = ANSWERS.exists() and not arguments.ask and not arguments.options
    answers = ["--data-file", str(ANSWERS)] if keeps_answers else options
    if not arguments.ask:
        answers = ["--defaults", *answers]
    with tempfile.TemporaryDirectory(prefix="copier-saas-") as scratch:
        source = snapshot(Path(scratch) / "template")
        fresh = Path(scratch) / "fresh"
        render(source, fresh, answers)
        rendered = replace(fresh, before.get("files", []))
    RECORD.write_text(json.dumps({**wanted, "files": rendered}, indent=1))
    with_what = "the answers that it had" if keeps_answers else " ".join(options) or "the defaults"
    if arguments.ask:
        with_what = "your answers"
    print(f"demo: rendered {len(rendered)} files with {with_what}. {WHERE}")


def digest() -> str:
    """A hash over everything that decides what a copy looks like."""
    total = hashlib.sha256()
    for path in template_files():
        content = (ROOT / path).read_bytes()
        mode = (ROOT / path).stat().st_mode & 0o111
        total.update(f"{path}\0{mode}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def render(source: Path, destination: Path, options: list[str]) -> None:
    """Run `copier copy`; its complaint about a bad answer is for the user to read."""
    copier = [sys.executable, "-m", "copier", "copy", "--skip-tasks", "--quiet"]
    done = subprocess.run([*copier, *options, str(source), str(destination)], check=False)
    if done.returncode:
        raise SystemExit("demo: not rendered; Copier says why above.")


def replace(fresh: Path, before: list[str]) -> list[str]:
    """Put the fresh render over the demo and remove what is rendered no more.

    Equal files are not touched, so that nothing that watches or caches them is stirred.
    """
    rendered = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
    for name in set(before) - set(rendered):
        gone = DEMO / name
        gone.unlink(missing_ok=True)
        for folder in gone.parents:
            if folder == DEMO or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()
    for name in rendered:
        new, old = fresh / name, DEMO / name
        if not (old.is_file() and old.read_bytes() == new.read_bytes()):
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new, old)
        shutil.copymode(new, old)
    return rendered


if __name__ == "__main__":
    main()
