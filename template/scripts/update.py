"""`make update`: take a later version of the template, or another answer, with `copier update`.

The update is rehearsed in a worktree of its own. What it comes to is shown, and only then brought
here, all of it or nothing. Needs git and a Python, 3.11 or newer; uv fetches Copier.
"""

import argparse
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

COPIER = ("sh", "scripts/uv.sh", "tool", "run", "--from", "copier>=9.19.1,<10", "copier")
ANSWERS = ".copier-answers.yml"

# What a plan comes to, what an undo needs to know, and what was here before an undo.
PLANNED = "refs/template-update/planned"
APPLIED = "refs/template-update/applied"
UNDONE = "refs/template-update/undone"

SHOWN = 25
"""So many files are named one by one; more are counted by folder."""

_MARKER = re.compile(rb"^(<<<<<<< before updating|>>>>>>> after updating)\r?$", re.MULTILINE)
_SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]+)=", re.MULTILINE)
_ANSWER = re.compile(r"^(\w+): (.*(?:\n +.*)*)$", re.MULTILINE)


class Refusal(Exception):  # noqa: N818 - it is an answer
    """Nothing was changed; the message says why, and what to do."""


def main() -> int:
    """Return 0, or 1 after a refusal or if something is left to resolve."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make update")
    parser.add_argument("--version", help="a version of the template; `current` stays on this one")
    parser.add_argument("--plan", action="store_true", help="show what would change, and stop")
    parser.add_argument("--ask", action="store_true", help="ask every question again")
    parser.add_argument(
        "--discard-edits", action="store_true", help="remove dropped files with their edits, too"
    )
    parser.add_argument("--undo", action="store_true", help="take the last update back")
    options, for_copier = parser.parse_known_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in turn with what git and Copier say
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        # Set while git runs a hook, and then about another place.
        if name in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}:
            del os.environ[name]
    try:
        here = Repository.around(root())
        if options.undo:
            return undo(here)
        return update(here, options, for_copier)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1


def root() -> Path:
    """The repository that this file belongs to; the current folder, where it comes from a pipe."""
    file = Path(__file__)
    return file.resolve().parents[1] if file.is_file() else Path.cwd().resolve()


# --- The steps ---


def update(here: "Repository", options: argparse.Namespace, for_copier: Sequence[str]) -> int:
    """Rehearse, show, and bring here what was shown."""
    here.require_clean()
    here.require_source()
    copier = copier_command()
    with here.rehearsal() as rehearsal:
        run_copier(copier, rehearsal, options, for_copier)
        planned = Plan.of(here, rehearsal)
        if not planned.files:
            print("Nothing changes: this is what the template has.")
            return 0
        edited = planned.dropped_edits(copier)
        planned.show(edited)
        if edited and not options.discard_edits:
            raise Refusal(
                "\nNothing was changed, because these files would go with your edits. Move the\n"
                "edits elsewhere and commit, or let them go with DROP=1; git has them even then:\n"
                f"git show HEAD:{edited[0]}"
            )
        if options.plan:
            print(f"\nNothing was changed. Every line: git diff HEAD {PLANNED}")
            return 0
        if sys.stdin.isatty() and not input("\nGo ahead? [y/N] ").strip().lower().startswith("y"):
            raise Refusal("Nothing was changed.")
        planned.bring()
    print(f"\n{complete_settings(here.root)}")
    if planned.conflicts:
        print(
            "\nResolve these, as after a merge; each has the marks <<<<<<< and >>>>>>>:",
            *(f"  {path}" for path in planned.conflicts),
            f"Then `git add` them, make setup check test, commit. To go back: {planned.way_back}",
            sep="\n",
            file=sys.stderr,
        )
        return 1
    print(f"Done. Next: make setup check test, then commit. To go back: {planned.way_back}")
    return 0


def undo(here: "Repository") -> int:
    """Make every file what it was before the last update, and leave alone what git ignores."""
    applied = here.read("rev-parse", "--verify", "--quiet", APPLIED, fails=True)
    if not applied:
        raise Refusal("There is no update to take back.")
    before = here.read("rev-parse", f"{applied}^")
    if here.read("rev-parse", "HEAD") != before:
        raise Refusal(
            "Since the update something was committed. Take the commit back instead: git revert,\n"
            f"or git reset --hard {before[:12]} where nobody else has it yet."
        )
    # Whatever was done since stays in git, too: conflicts that were resolved, say.
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        here.git("read-tree", "HEAD", env=index)
        here.git("add", "--all", "--", ".", env=index)
        here.remember(UNDONE, here.read("write-tree", env=index), before)
    here.git("restore", f"--source={before}", "--staged", "--worktree", "--", ".")
    for path, change in changes(here, before, applied).items():
        if change == "A":
            remove(here.top, path)
    here.git("update-ref", "-d", APPLIED)
    print(f"Everything is as it was before the update. What it had become: git diff HEAD {UNDONE}")
    return 0


def run_copier(
    copier: Sequence[str],
    rehearsal: "Repository",
    options: argparse.Namespace,
    for_copier: Sequence[str],
) -> None:
    """Let Copier update the rehearsal's files."""
    version = {None: [], "current": ["--vcs-ref=:current:"]}.get(
        options.version, [f"--vcs-ref={options.version}"]
    )
    asking = [] if options.ask else ["--defaults"]
    where = str(rehearsal.root)
    command = [*copier, "update", "--trust", "--quiet", *asking, *version, *for_copier, where]
    done = subprocess.run(command, check=False, stderr=None if options.ask else subprocess.PIPE)
    said = (done.stderr or b"").decode(errors="replace").strip()
    if done.returncode:
        # An answer that a question refuses ends Copier with a traceback, and the reason behind it.
        reason = said.splitlines()[-1] if "\nTraceback (" in f"\n{said}" else said
        raise Refusal(f"{reason}\nNothing was changed: Copier refused.".lstrip())
    if said:
        print(said, file=sys.stderr)


def copier_command() -> Sequence[str]:
    """How Copier is run: by COPIER, where that is set, else by uv.

    Raises:
        Refusal: it cannot be run.
    """
    command = shlex.split(os.environ.get("COPIER", "")) or COPIER
    try:
        done = subprocess.run(
            [*command, "--version"],
            check=False,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise Refusal(f"Copier cannot be run: {error}. COPIER says how to run it.") from None
    if done.returncode:
        raise Refusal(
            "Copier cannot be run. Install it (uv tool install copier, or pipx install copier)\n"
            "and say how it is called: make update COPIER=copier"
        )
    return command


def complete_settings(root: Path) -> str:
    """Add to `.env` what the new version needs there; what is in it stays."""
    script = root / "backend/app/dev/env_file.py"
    done = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True
    )
    return (done.stdout or ".env: left as it is; `make setup` completes it").strip()


# --- A repository, and what an update makes of it ---


@dataclass(frozen=True)
class Repository:
    """A generated repository, or the folder with one in a larger repository."""

    root: Path
    top: Path

    @classmethod
    def around(cls, root: Path) -> "Repository":
        """The repository of a folder.

        Raises:
            Refusal: git holds no version of it that one could go back to.
        """
        here = cls(root, root)
        top = here.read("rev-parse", "--show-toplevel", fails=True)
        if not top or not here.read("rev-parse", "--verify", "--quiet", "HEAD", fails=True):
            raise Refusal(
                "An update changes many files, and only git can show and undo that. Begin with\n"
                "git init, git add --all, git commit; then again."
            )
        return cls(root, Path(top))

    @property
    def prefix(self) -> str:
        """What paths from the root have before them in git."""
        return "" if self.root == self.top else f"{self.root.relative_to(self.top).as_posix()}/"

    def git(
        self,
        *arguments: str,
        given: bytes | None = None,
        env: dict[str, str] | None = None,
        fails: bool = False,
    ) -> bytes:
        """Run git in the root and return what it printed.

        Args:
            arguments: Its command line.
            given: Its standard input.
            env: What to add to the environment.
            fails: Whether a failure is an answer, too: nothing is returned.

        Raises:
            Refusal: it failed.
        """
        done = subprocess.run(
            ["git", "-c", f"core.hooksPath={os.devnull}", *arguments],
            cwd=self.root,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            input=given if given is not None else b"",
            check=False,
            capture_output=True,
        )
        if not done.returncode:
            return done.stdout
        if fails:
            return b""
        raise Refusal(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")

    def read(self, *arguments: str, env: dict[str, str] | None = None, fails: bool = False) -> str:
        """Run git and return its one line."""
        return self.git(*arguments, env=env, fails=fails).decode().strip()

    def require_source(self) -> None:
        """Raise unless the template is found from everywhere.

        Raises:
            Refusal: the repository was copied from a folder that was named as seen from another.
        """
        recorded = dict(_ANSWER.findall((self.root / ANSWERS).read_text(encoding="utf-8")))
        source = plain(recorded.get("_src_path", ""))
        if source in {"", ".", ".."} or source.startswith(("./", "../")):
            raise Refusal(
                f"Nothing was changed: {ANSWERS} has\n  _src_path: {source}\n"
                "which led to the template from the folder it was copied in. Write the\n"
                "template's URL there, or its whole path, and commit."
            )

    def require_clean(self) -> None:
        """Raise unless everything is committed.

        Raises:
            Refusal: something is not, or this was not made by Copier.
        """
        if not (self.root / ANSWERS).exists():
            raise Refusal(f"There is no {ANSWERS}: Copier did not make this repository.")
        unmerged = unmerged_paths(self)
        if unmerged:
            raise Refusal(
                "Nothing was changed, because an earlier conflict is not resolved:\n"
                + "\n".join(f"  {path}" for path in unmerged)
                + "\nResolve it, `git add` and commit; or make update UNDO=1, if an update left it."
            )
        listed = self.git("status", "--porcelain", "--untracked-files=normal", "--", ".")
        dirty = listed.decode(errors="replace")
        if dirty:
            raise Refusal(
                "Nothing was changed, because these files are not committed, and an update could\n"
                f"not be told from your own work:\n{dirty}"
                "Commit them, or git stash --include-untracked; then again."
            )

    @contextmanager
    def rehearsal(self) -> Iterator["Repository"]:
        """A second worktree of what is committed, for as long as the block runs."""
        with tempfile.TemporaryDirectory(prefix="template-update-") as folder:
            place = Path(folder, "rehearsal")
            self.git("worktree", "add", "--detach", "--quiet", str(place), "HEAD")
            try:
                yield Repository(place / self.prefix, place)
            finally:
                self.git("worktree", "remove", "--force", str(place))

    def remember(self, ref: str, tree: str, parent: str) -> None:
        """Keep a state of the files under a name."""
        author = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "make update"), ("EMAIL", "update@localhost"))
        }
        made = self.read("commit-tree", tree, "-p", parent, "-m", ref, env=author)
        self.git("update-ref", ref, made)

    def text_at(self, revision: str, name: str) -> str:
        """A file's text in a revision; nothing where it is not there."""
        return self.git("show", f"{revision}:{self.prefix}{name}", fails=True).decode()


@dataclass(frozen=True)
class Plan:
    """What the rehearsal made of the files."""

    here: Repository
    files: dict[str, str]
    """Each path with A, M or D: added, changed, removed."""
    unmerged: bytes
    conflicts: list[str]

    @property
    def way_back(self) -> str:
        """The command that undoes it: also where make, or this file, has a conflict itself."""
        needed = {f"{self.here.prefix}{name}" for name in ("Makefile", "scripts/update.py")}
        if needed.isdisjoint(self.conflicts):
            return "make update UNDO=1"
        return f"git show HEAD:./scripts/update.py | {shlex.quote(sys.executable)} - --undo"

    @classmethod
    def of(cls, here: Repository, rehearsal: Repository) -> "Plan":
        """Compare the rehearsal with what is committed, and keep it under PLANNED."""
        unmerged = rehearsal.git("ls-files", "--unmerged", "--full-name", "-z", "--", ".")
        conflicts = set(unmerged_paths(rehearsal))
        rehearsal.git("add", "--all", "--", ".")
        here.remember(PLANNED, rehearsal.read("write-tree"), here.read("rev-parse", "HEAD"))
        files = changes(here, "HEAD", PLANNED)
        for path, change in files.items():
            if change != "D" and _MARKER.search(here.git("show", f"{PLANNED}:{path}")):
                conflicts.add(path)
            if change == "A" and path.endswith(".rej"):
                conflicts.add(path)
        return cls(here, files, unmerged, sorted(conflicts))

    def dropped_edits(self, copier: Sequence[str]) -> list[str]:
        """Which files would be removed that are not as the template had written them.

        Raises:
            Refusal: the version that this repository has cannot be rendered.
        """
        dropped = [path for path, change in self.files.items() if change == "D"]
        if not dropped:
            return []
        recorded = self._answers("HEAD")
        with tempfile.TemporaryDirectory(prefix="template-update-") as folder:
            data, fresh = Path(folder, "answers.yml"), Path(folder, "fresh")
            data.write_text("".join(f"{k}: {v}\n" for k, v in recorded.items() if k[0] != "_"))
            command = [
                *(*copier, "copy", "--defaults", "--skip-tasks", "--quiet", "--trust"),
                *(f"--vcs-ref={plain(recorded['_commit'])}", f"--data-file={data}"),
                *(plain(recorded["_src_path"]), str(fresh)),
            ]
            if subprocess.run(command, check=False).returncode:
                raise Refusal(
                    "\nNothing was changed: the version that this repository has cannot be\n"
                    "rendered anew, so nobody knows which of the files that would go were edited."
                )
            return [path for path in dropped if self._is_edited(path, fresh)]

    def _is_edited(self, path: str, fresh: Path) -> bool:
        original = fresh / path.removeprefix(self.here.prefix)
        if not original.is_file():
            return True
        as_rendered = self.here.read("hash-object", f"--path={path}", str(original))
        return as_rendered != self.here.read("rev-parse", f"HEAD:{path}")

    def show(self, edited: Sequence[str]) -> None:
        """Say what is going to change."""
        self._show_answers()
        verbs = {"A": "added", "M": "changed", "D": "removed"}

        def counted(changes: Counter[str]) -> str:
            return ", ".join(
                f"{number} {verbs[change]}" for change, number in sorted(changes.items())
            )

        print(f"Files: {counted(Counter(self.files.values()))}")
        if len(self.files) <= SHOWN:
            print(*(f"  {verbs[change]:8} {path}" for path, change in self.files.items()), sep="\n")
        else:
            folders = by_folder(self.files).items()
            print(*(f"  {folder:30} {counted(changes)}" for folder, changes in folders), sep="\n")
        news = self._settings(PLANNED) - self._settings("HEAD")
        if news:
            print(f"New settings, explained in .env.example: {', '.join(sorted(news))}")
        if self.conflicts:
            print("You and the template changed the same lines of:")
            print(*(f"  {path}" for path in self.conflicts), sep="\n")
        if edited:
            print("No longer part of the template, and edited by you:")
            print(*(f"  {path}" for path in edited), sep="\n")

    def _show_answers(self) -> None:
        before, after = self._answers("HEAD"), self._answers(PLANNED)
        source, old, new = (
            plain(after["_src_path"]),
            plain(before["_commit"]),
            plain(after["_commit"]),
        )
        print(f"{source}: {old}" if old == new else f"{source}: from {old} to {new}")
        for name, answer in after.items():
            if name not in before:
                print(f'New question {name}: {answer} (otherwise: ARGS="-d {name}=…")')
            elif before[name] != answer and not name.startswith("_"):
                print(f"Answer {name}: {before[name]} becomes {answer}")
        for name in before.keys() - after.keys():
            print(f"Question {name} is gone; its answer was {before[name]}")

    def _answers(self, revision: str) -> dict[str, str]:
        return dict(_ANSWER.findall(self.here.text_at(revision, ANSWERS)))

    def _settings(self, revision: str) -> set[str]:
        return set(_SETTING.findall(self.here.text_at(revision, ".env.example")))

    def bring(self) -> None:
        """Change the files here, all or none, and record conflicts as a merge would.

        Raises:
            Refusal: something is in the way.
        """
        plainly = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
        named = ("--src-prefix=a/", "--dst-prefix=b/", "--binary", "--full-index")
        patch = self.here.git("diff", *plainly, *named, "HEAD", PLANNED)
        top = Repository(self.here.top, self.here.top)
        top.git("apply", "--whitespace=nowarn", given=patch)
        top.git("update-ref", APPLIED, PLANNED)
        if self.unmerged:
            entries = self.unmerged.split(b"\0")[:-1]
            paths = {entry.partition(b"\t")[2] for entry in entries}
            cleared = [b"0 %s\t%s" % (b"0" * 40, path) for path in paths]
            top.git(
                *("update-index", "-z", "--index-info"),
                given=b"".join(line + b"\0" for line in (*cleared, *entries)),
            )


def changes(here: Repository, before: str, after: str) -> dict[str, str]:
    """The paths that differ, sorted, each with A, M or D; a changed mode is a change."""
    found = here.git("diff", "--name-status", "--no-renames", "-z", before, after, "--")
    words = found.decode().split("\0")[:-1]
    return {
        path: change if change in {"A", "D"} else "M"
        for change, path in sorted(zip(words[::2], words[1::2], strict=True), key=lambda x: x[1])
    }


def unmerged_paths(repository: Repository) -> list[str]:
    """The files whose conflict is not resolved, as paths of git."""
    found = repository.git("ls-files", "--unmerged", "--full-name", "-z", "--", ".").decode()
    return sorted({entry.partition("\t")[2] for entry in found.split("\0")[:-1]})


def by_folder(files: dict[str, str]) -> dict[str, Counter[str]]:
    """How many files of each folder are added, changed or removed; two folders deep."""
    counted: dict[str, Counter[str]] = {}
    for path, change in files.items():
        folders = path.split("/")[:-1][:2]
        counted.setdefault("/".join(folders) or ".", Counter())[change] += 1
    return counted


def plain(value: str) -> str:
    """A text of YAML on one line, without its quotes."""
    return value.strip().strip("'\"")


def remove(top: Path, path: str) -> None:
    """Delete a file, and the folders that are empty without it."""
    (top / path).unlink(missing_ok=True)
    for folder in (top / path).parents:
        if folder == top or not folder.exists() or any(folder.iterdir()):
            return
        folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
