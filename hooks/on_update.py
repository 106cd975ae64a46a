"""What happens around `copier update`, run by `_migrations` in copier.yml.

    before ANSWER    refuse another answer to tenancy_model, as far as the command line has it
    after ANSWER     the same for what was answered at a prompt; then one line of migrations
    remove PATH…     take away what a version of the template no longer writes for these answers

Runs with Copier's own Python in the repository and needs nothing but the standard library.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ANSWERS = ".copier-answers.yml"
HISTORIES = ("control", "tenant")

REFUSAL = """\
tenancy_model was {before}, and an update cannot make {after} of it: the tables of a database that
is there are those of {before}, and no migration turns one into the other. docs/updating.md in the
repository says what the way is. Where there are no data, or they are moved already, add
`-d data_moved=true`."""


class Refused(Exception):  # noqa: N818 - it is an answer
    """The update ends here; the message says why."""


@dataclass(frozen=True)
class Revision:
    """A migration, and the one that it follows."""

    file: Path
    id: str
    follows: str | None


def main(arguments: list[str]) -> int:
    """Do one of the steps in the current folder and return 0, or 1 with the reason."""
    step, *words = arguments
    repository = Path.cwd()
    try:
        if step == "remove":
            remove(repository, words)
            return 0
        model, moved = words
        if moved != "true":
            require_same_tenancy(committed(repository, ANSWERS), model)
        if step == "after":
            for history in HISTORIES:
                straighten(repository / "backend/migrations" / history)
    except Refused as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


def require_same_tenancy(answers: str, model: str) -> None:
    """Raise if another model was answered than the repository was generated with.

    Args:
        answers: The answers file as it is committed.
        model: What is answered now; nothing if it is not answered anew.

    Raises:
        Refused: it differs.
    """
    recorded = re.search(r"^tenancy_model: (\w+)$", answers, re.MULTILINE)
    if recorded and model not in {"", recorded[1]}:
        raise Refused(REFUSAL.format(before=recorded[1], after=model))


def straighten(folder: Path) -> None:
    """Let the template's new migrations follow the owner's own.

    Both were written to follow the template's last one. The owner's may be in a database already,
    the template's new ones are in none: so it is those that move to the end of the line.

    Raises:
        Refused: the owner's own migrations end in more than one, or one of them has the id of a new
            one, with which Alembic reads neither.
    """
    arrived = {folder / name for name in untracked(folder)}
    revisions = [revision for file in sorted(folder.glob("*.py")) if (revision := read(file))]
    known = [revision for revision in revisions if revision.file not in arrived]
    owned = {revision.id: revision for revision in known}
    ends = owned.keys() - {revision.follows for revision in known}
    for revision in revisions:
        if revision.file not in arrived:
            continue
        if revision.id in owned:
            raise Refused(
                f"{revision.id} is the id of {owned[revision.id].file.name} and of "
                f"{revision.file.name}, which is new: give yours another, also where a later one "
                "follows it and in the databases that know it (`alembic_version`)."
            )
        if revision.follows not in owned:
            continue
        if len(ends) != 1:
            raise Refused(
                f"{folder} ends in {', '.join(sorted(ends))}: make one line of them first, where "
                "down_revision of one names the other."
            )
        (end,) = ends
        if revision.follows != end:
            follow(revision, end)
            print(f"migrations: {revision.id}, which is new, follows your {end}")


def follow(revision: Revision, end: str) -> None:
    """Write into a migration which one it follows."""
    text = revision.file.read_text(encoding="utf-8")
    changed, count = re.subn(
        r"^(down_revision\b[^=\n]*=\s*)[\"']\w+[\"']", rf'\g<1>"{end}"', text, flags=re.MULTILINE
    )
    if count != 1:
        raise Refused(f"{revision.file} has no line down_revision = … that can be read")
    revision.file.write_text(changed, encoding="utf-8")


def read(file: Path) -> Revision | None:
    """The migration in a file; none where conflicts keep it from being read."""
    try:
        module = ast.parse(file.read_bytes())
    except SyntaxError:
        return None
    said = {}
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name in {"revision", "down_revision"}:
                said[name] = ast.literal_eval(value)
    return Revision(file, said["revision"], said["down_revision"]) if "revision" in said else None


def remove(repository: Path, paths: Iterable[str]) -> None:
    """Delete files, and the folders that are empty without them. git has what was in them."""
    for path in paths:
        file = repository / path
        file.unlink(missing_ok=True)
        for folder in file.parents:
            if folder == repository or not folder.exists() or any(folder.iterdir()):
                break
            folder.rmdir()


def committed(repository: Path, path: str) -> str:
    """A file's text in the last commit; nothing where it is not there."""
    return git(repository, "show", f"HEAD:./{path}")


def untracked(folder: Path) -> list[str]:
    """The files of a folder that the last commit does not have."""
    if not folder.exists():
        return []
    return git(folder, "ls-files", "--others", "--exclude-standard").splitlines()


def git(folder: Path, *arguments: str) -> str:
    """What git prints, which is nothing when it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=False, capture_output=True, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
