"""Releases of the template, and repositories that were generated from one of them.

What is released is the working tree, as NOW. Before it lies the last release that git knows, or, as
long as there is none, a state made here of the working tree. Behind it comes NEXT, made here too,
with what a release may bring: a question with another name, a new one, files that are gone.
"""

import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import copier
import yaml

from rendering import clean_environment, files_of
from worktree import ROOT, snapshot

BEFORE, NOW, NEXT = "v1000.0.0", "v1000.1.0", "v1000.2.0"
_MARK = re.compile(rb"^(<<<<<<< before updating|>>>>>>> after updating)$", re.MULTILINE)
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
}


class Template:
    """A git repository with the template, a tag for each release."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        return git(self.path, *arguments)

    def release(self, version: str, *, changed: Callable[[Path], None] | None = None) -> None:
        """Commit and tag the working tree, after a change to it."""
        self._empty()
        snapshot(self.path)
        if changed is not None:
            changed(self.path)
        self._tag(version)

    def release_again(self, version: str, tag: str) -> None:
        """Commit and tag what the template's own repository has under a tag of its own."""
        self._empty()
        archive = subprocess.run(
            ["git", "-c", "safe.directory=*", "archive", tag, "copier.yml", "template", "hooks"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        subprocess.run(["tar", "-x"], cwd=self.path, input=archive, check=True)
        self._tag(version)

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.name != ".git":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _tag(self, version: str) -> None:
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", version)
        self.git("tag", version)


class Copy:
    """A repository that was generated from a release, under git."""

    def __init__(self, template: Template, path: Path) -> None:
        self.template = template
        self.path = path

    @classmethod
    def of(
        cls, template: Template, path: Path, answers: Mapping[str, object], version: str
    ) -> "Copy":
        """Render a release and commit it."""
        copy = cls(template, path)
        render(template, path, answers, version)
        copy.git("init", "--quiet")
        copy.commit("Begin")
        return copy

    def git(self, *arguments: str) -> str:
        return git(self.path, *arguments)

    def commit(self, message: str = "Work") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def update(self, version: str = NOW, **data: object) -> None:
        """Take a release with Copier itself, in this process.

        Raises:
            copier.errors.CopierError, ValueError: Copier refuses.
        """
        with _quickly():
            copier.run_update(
                self.path,
                data=data,
                vcs_ref=version,
                defaults=True,
                overwrite=True,
                quiet=True,
                unsafe=True,
            )

    def make(self, target: str, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Type make in it, with the Copier of the tests."""
        return subprocess.run(
            ["make", target, *words],
            cwd=self.path,
            env=clean_environment(
                **IDENTITY, COPIER=f"{sys.executable} -m copier", PYTHON=sys.executable, **settings
            ),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    # --- What it has ---

    @property
    def answers(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load((self.path / ".copier-answers.yml").read_text())
        return loaded

    @property
    def unmerged(self) -> set[str]:
        """The files that git calls unmerged, and those that hold the marks of a conflict."""
        listed = self.git("diff", "--name-only", "--diff-filter=U").splitlines()
        marked = [
            str(path.relative_to(self.path))
            for path in files_of(self.path)
            if path.suffix == ".rej" or _MARK.search(path.read_bytes())
        ]
        return {*listed, *marked}

    @property
    def status(self) -> str:
        return self.git("status", "--porcelain")

    def text(self, path: str) -> str:
        return (self.path / path).read_text()

    def write(self, path: str, text: str) -> None:
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text)

    def contents(self) -> dict[str, tuple[bytes, bool]]:
        return contents(self.path)


def contents(repository: Path) -> dict[str, tuple[bytes, bool]]:
    """What each file holds and whether it may be executed, but for `.env`."""
    return {
        str(path.relative_to(repository)): (path.read_bytes(), os.access(path, os.X_OK))
        for path in files_of(repository)
        if path.name != ".env"
    }


def render(template: Template, path: Path, answers: Mapping[str, object], version: str) -> Path:
    """Render a release, without tasks."""
    with _quickly():
        copier.run_copy(
            str(template.path),
            path,
            data=dict(answers),
            vcs_ref=version,
            defaults=True,
            quiet=True,
            unsafe=True,
            skip_tasks=True,
        )
    return path


@contextmanager
def _quickly() -> Iterator[None]:
    """Keep Copier from asking git about the mode of each file, which takes a third of the time."""
    with patch("copier._main.is_git_available", return_value=False), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Copier's, about its own temporary files
        yield


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=clean_environment(**IDENTITY, GIT_CONFIG_NOSYSTEM="1", LC_ALL="C"),
        check=True,
        capture_output=True,
        text=True,
    ).stdout


# --- Releases ---


def releases(path: Path) -> Template:
    """The last release, the working tree, and a next release."""
    template = Template(path)
    tags = git_tags()
    if tags:
        template.release_again(BEFORE, tags[-1])
    else:
        template.release(BEFORE, changed=_make_older)
    template.release(NOW)
    template.release(NEXT, changed=_make_newer)
    return template


def git_tags() -> list[str]:
    """The versions that the template's own repository has as tags, the last one last."""
    said = subprocess.run(
        ["git", "-c", "safe.directory=*", "tag", "--list", "v*", "--sort=version:refname"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [tag for tag in said if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]


GONE_PAGE = "docs/gone.md"


def insert(file: Path, line: str) -> None:
    """Write a line into the midst of a file, at the same place each time."""
    lines = file.read_text().splitlines(keepends=True)
    middle = next(n for n in range(len(lines) // 2, len(lines)) if lines[n] == "\n")
    file.write_text("".join([*lines[:middle], "\n", line, *lines[middle:]]))


def _make_older(path: Path) -> None:
    """A state before the working tree: other lines, a file more, and some files fewer."""
    for name in ("Makefile", "backend/app/main.py", "backend/app/worker.py", ".gitignore"):
        insert(path / "template" / name, "# As it was in the last release.\n")
    (path / "template" / GONE_PAGE).write_text("# A page that a later release has not\n")
    for name in (
        "docs/api-keys.md",
        "backend/tests/test_csv_file.py",
        "backend/tests/test_pool.py",
    ):
        (path / "template" / name).unlink()


# Which answer the next release keeps a file from, that had it before.
LEFT_BEHIND = "backend/tests/test_statements.py"
NEW_REVISION = "saas_9000"


def _make_newer(path: Path) -> None:
    """A state behind the working tree: every kind of change that a release may bring."""
    questions = path / "copier.yml"
    text = questions.read_text()
    # `description` becomes `summary`, and there is one question more.
    text = re.sub(r"^description:", "summary:", text, flags=re.MULTILINE)
    text = re.sub(r"set text = description\b", "set text = summary", text)
    text = text.replace(
        "  default: A multi-tenant SaaS product.\n",
        "  default: \"{{ description | default('A multi-tenant SaaS product.') }}\"\n",
    )
    text = text.replace(
        "\ntenancy_model:\n",
        "\nsupport_address:\n  type: str\n  help: Where do people ask for help?\n"
        "  default: help@example.com\n\ntenancy_model:\n",
        1,
    )
    rows = '    {% if tenancy_model | default("rows") != "rows" %}\n'
    text = text.replace(
        rows,
        f"""\
    {{% if tenancy_model | default("rows") == "rows" %}}
    /{LEFT_BEHIND}
    {{% endif %}}
    {{% if support_address | default("") == "nobody" %}}
    /docs/runbook.md
    {{% endif %}}
{rows}""",
        1,
    )
    text = text.replace(
        "\n_migrations:\n",
        f"\n_migrations:\n  - version: {NEXT}\n    command:\n"
        '      - "{{ _copier_python }}"\n'
        '      - "{{ _copier_conf.src_path }}/hooks/on_update.py"\n'
        f"      - remove\n      - {LEFT_BEHIND}\n"
        "    when: \"{{ _stage == 'after' and tenancy_model == 'rows' }}\"\n",
        1,
    )
    questions.write_text(text)
    for file in (path / "template").rglob("*.jinja"):
        was = file.read_text()
        now = re.sub(r"(\{\{ ?)description\b", r"\1summary", was)
        if now != was:
            file.write_text(now)
    with (path / "template/README.md.jinja").open("a") as readme:
        readme.write("\nHelp: {{ support_address }}\n")
    (path / "template/docs/api-keys.md").unlink()
    for name in ("Makefile", "backend/app/main.py"):
        insert(path / "template" / name, "# As it comes next.\n")
    with (path / "template/.env.example.jinja").open("a") as settings:
        settings.write("\n# Who is asked for help.\n#SUPPORT_ADDRESS=\n")
    env_file = path / "template/backend/app/dev/env_file.py"
    env_file.write_text(
        env_file.read_text().replace(
            '    ("ALLOWED_HOSTS"',
            '    ("SUPPORT_ADDRESS", "help@example.com", "who is asked"),\n    ("ALLOWED_HOSTS"',
        )
    )
    (path / f"template/backend/migrations/tenant/{NEW_REVISION}_phones.py").write_text(
        revision(
            NEW_REVISION, head(path / "template"), "alter table contacts add column phone text"
        )
    )


def revision(name: str, follows: str, statements: str) -> str:
    """A file of a migration."""
    return (
        f'"""{name}."""\n\nfrom app.migrations import run_sql\n\n'
        f'revision = "{name}"\ndown_revision = "{follows}"\n'
        "branch_labels = None\ndepends_on = None\n\n\n"
        f'def upgrade() -> None:\n    run_sql("{statements}")\n'
    )


def heads(repository: Path, history: str = "tenant") -> set[str]:
    """Where a history of migrations ends."""
    files = (repository / "backend/migrations" / history).glob("*.py")
    found = dict(
        re.findall(
            r'^revision = "(\w+)"\ndown_revision = "?(\w+)"?$', file.read_text(), re.MULTILINE
        )[0]
        for file in files
    )
    return found.keys() - found.values()


def head(repository: Path) -> str:
    """The migration in which the history of tenants' tables ends."""
    (found,) = heads(repository)
    return found
