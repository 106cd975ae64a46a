"""What every combination of answers renders to, as files."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment

from rendering import (
    Answers,
    choices,
    covering,
    files_of,
    name_of,
    pairwise,
    questionnaire,
    questions,
    render,
)
from worktree import ROOT, files

# Jinja's own marks; braces in code and SQL are none, and neither is what GitHub fills in.
JINJA = re.compile(r"\{\{[ -]|[ -]\}\}(?!\})|\{%|%\}|\{#|#\}|_copier_")
# In JSX two braces may end an attribute: what is left of Jinja there holds a name or a statement.
JINJA_IN_SCRIPTS = re.compile(r"\{\{ [a-z_]+ (\||\}\})|\{%|%\}|_copier_")
SCRIPTS = {".ts", ".tsx", ".mjs"}
GITHUB = re.compile(r"\$\{\{.*?\}\}")
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|pypi\.python\.org"
    r"|--(extra-)?index-url|--find-links"
)
MACHINE_PATHS = re.compile(r"(?<![\w./-])/(?:root|work|home/\w+|Users/\w+|opt/pypi)/")
ODD_ANSWERS = {
    "project_name": 'The café\'s "Best" 🚀 & Co: #1',
    "project_slug": "cafe-1",
    "description": "It's \"odd\", 100 % 🚀 & naïve: yes / no? 株式会社 'quoted'",
}


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


# Odd values arrive in a few files, and depend on two answers at most.
with_odd_values = pytest.mark.among(pairwise())


@pytest.fixture(scope="session")
def odd(source: Path, combination: Answers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A combination rendered for a product whose name and description are hard to quote."""
    return render(source, tmp_path_factory.mktemp("odd") / "odd", {**combination, **ODD_ANSWERS})


def test_no_jinja_is_left(rendered: Path) -> None:
    left = {
        f"{path.relative_to(rendered)}:{number}": line
        for path in files_of(rendered)
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if (JINJA_IN_SCRIPTS if path.suffix in SCRIPTS else JINJA).search(GITHUB.sub("", line))
    }
    assert not left


def test_only_files_that_belong_there_are_rendered(rendered: Path) -> None:
    stray = [
        path
        for path in files_of(rendered)
        if path.is_symlink()
        or path.suffix in {".jinja", ".orig", ".rej", ".pyc", ".swp"}
        or path.stat().st_size > 1024 * 1024
        or "{" in str(path)
    ]
    assert not stray
    assert not [path for path in rendered.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_what_a_repository_needs_is_there(rendered: Path) -> None:
    for name in (
        "README.md",
        "Makefile",
        ".gitignore",
        ".editorconfig",
        ".env.example",
        ".copier-answers.yml",
        ".pre-commit-config.yaml",
        ".github/workflows/ci.yml",
        "backend/pyproject.toml",
    ):
        assert (rendered / name).is_file(), name


def test_every_text_ends_with_one_newline(rendered: Path) -> None:
    # An empty __init__.py is right as it is.
    wrong = [
        str(path.relative_to(rendered))
        for path in files_of(rendered)
        if (text := text_of(path)) and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
    assert not wrong


def structured_files_parse(repository: Path) -> None:
    for path in files_of(repository):
        match path.suffix:
            case ".toml":
                tomllib.loads(text_of(path))
            case ".yml" | ".yaml":
                assert yaml.safe_load(text_of(path))
            case ".json":
                json.loads(text_of(path))


def test_structured_files_parse(rendered: Path) -> None:
    structured_files_parse(rendered)


@with_odd_values
def test_structured_files_parse_with_odd_values(odd: Path) -> None:
    structured_files_parse(odd)


@with_odd_values
def test_python_is_linted_and_laid_out_with_odd_values(odd: Path) -> None:
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."],
            cwd=odd / "backend",
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@with_odd_values
def test_an_odd_name_arrives_unchanged(odd: Path) -> None:
    readme = text_of(odd / "README.md")
    assert readme.startswith(f"# {ODD_ANSWERS['project_name']}\n")
    assert ODD_ANSWERS["description"] in readme
    project = tomllib.loads(text_of(odd / "backend/pyproject.toml"))["project"]
    assert project["description"] == ODD_ANSWERS["description"]
    answers = yaml.safe_load(text_of(odd / ".copier-answers.yml"))
    assert ODD_ANSWERS.items() <= answers.items()


@with_odd_values
def test_a_name_changes_only_the_files_with_values(rendered: Path, odd: Path, source: Path) -> None:
    names = {path.relative_to(rendered) for path in files_of(rendered)}
    assert names == {path.relative_to(odd) for path in files_of(odd)}
    changed = {name for name in names if text_of(rendered / name) != text_of(odd / name)}
    assert changed
    assert changed <= templated_files(source)


def _other_answers() -> list[tuple[str, str]]:
    return [
        (question, answer)
        for question, offered in choices().items()
        for answer in offered
        if answer != questions()[question]["default"]
    ]


def content_of(repository: Path) -> dict[Path, bytes]:
    return {path.relative_to(repository): path.read_bytes() for path in files_of(repository)}


def templated_files(source: Path) -> set[Path]:
    """The files that hold Jinja, as they are named once rendered."""
    template = source / "template"
    return {path.relative_to(template).with_suffix("") for path in template.rglob("*.jinja")}


@pytest.fixture(scope="session")
def defaults(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """What the default answers render to."""
    return content_of(render(source, tmp_path_factory.mktemp("defaults") / "acme", {}))


# Chance has no eye for how answers meet.
@pytest.mark.parametrize("combination", covering(), ids=name_of, indirect=True, scope="session")
def test_the_same_answers_render_the_same_bytes(
    source: Path, combination: Answers, rendered: Path, tmp_path: Path
) -> None:
    again = render(source, tmp_path / "acme", combination)
    for path in files_of(rendered):
        twin = again / path.relative_to(rendered)
        assert twin.read_bytes() == path.read_bytes(), path
        assert twin.stat().st_mode == path.stat().st_mode, path


@pytest.mark.parametrize(("question", "answer"), _other_answers())
def test_an_answer_changes_its_own_files_and_no_others(
    source: Path, defaults: dict[Path, bytes], tmp_path: Path, question: str, answer: str
) -> None:
    """Each answer in the place of its question's default."""
    chosen = content_of(render(source, tmp_path / "acme", {question: answer}))
    of_others = {path for other in choices() if other != question for path in owned_by(other)}
    of_others -= {
        Path("frontend"),
        *owned_by(question),
    }  # all of which is the answer's to leave out
    added, removed = chosen.keys() - defaults.keys(), defaults.keys() - chosen.keys()
    changed = {path for path in chosen.keys() & defaults.keys() if chosen[path] != defaults[path]}
    assert added | removed or changed - {Path(".copier-answers.yml")}, "it makes no difference"
    assert all(is_below(path, owned_by(question)) for path in added | removed)
    assert not changed & of_others
    # What is shared is shared as it stands, but for files with something to fill in.
    assert changed <= templated_files(source)


# --- The table of what each answer leaves out ---


def excluded_unless_chosen(**answers: str) -> set[str]:
    """The rooted patterns of the table for these answers."""
    (table,) = questionnaire()["_exclude"]
    patterns = Environment(autoescape=False).from_string(table).render(answers).splitlines()  # noqa: S701
    return {pattern for pattern in patterns if pattern.startswith("/")}


@cache
def owned_by(question: str) -> frozenset[Path]:
    """The paths that the table leaves out for some answer to a question, and not for every."""
    rows = [
        excluded_unless_chosen(**_with_what_follows({question: answer}))
        for answer in choices()[question]
    ]
    always = frozenset[str].intersection(*map(frozenset, rows))
    return frozenset(Path(row.lstrip("/")) for row in frozenset[str]().union(*rows) - always)


def _with_what_follows(answers: dict[str, str]) -> dict[str, str]:
    """The answers, and those that are worked out of them and not asked for."""
    known = {name: str(questions()[name]["default"]) for name in choices()} | answers
    hidden = {
        name: Environment(autoescape=False).from_string(details["default"]).render(known).strip()  # noqa: S701
        for name, details in questionnaire().items()
        if not name.startswith("_") and details.get("when") is False
    }
    return known | hidden


def is_below(path: Path, owned: Collection[Path]) -> bool:
    return any(path == other or other in path.parents for other in owned)


def test_the_defaults_leave_out_nothing_of_their_own() -> None:
    defaults = {name: details["default"] for name, details in questions().items()}
    # A template that knows no question yet is rendered like one with the defaults.
    assert excluded_unless_chosen() == excluded_unless_chosen(**defaults)


def test_every_row_of_the_table_names_what_exists(source: Path) -> None:
    rows = set[str]()
    for question, offered in choices().items():
        for choice in (*offered, "nonesuch"):
            rows |= excluded_unless_chosen(**{question: choice})
    assert rows
    missing = {
        row
        for row in rows
        if row.endswith("/")
        or not any((source / f"template{row}{suffix}").exists() for suffix in ("", ".jinja"))
    }
    assert not missing


@pytest.mark.parametrize(
    "question", ["tenancy_model", "queue_backend", "auth_provider", "database_host"]
)
def test_an_answer_that_is_not_chosen_leaves_no_file(
    source: Path, tmp_path: Path, question: str
) -> None:
    """Rendered with an answer that owns nothing, a repository lacks what the default owns."""
    copy = shutil.copytree(source, tmp_path / "template")
    default = str(questions()[question]["default"])
    text = (source / "copier.yml").read_text()
    offered = re.search(rf"^{question}:\n(?: .*\n)+?  choices:\n", text, re.MULTILINE)
    assert offered
    at = offered.end()
    (copy / "copier.yml").write_text(f'{text[:at]}    "another": another\n{text[at:]}')

    owned = excluded_unless_chosen(**{question: "another"}) - excluded_unless_chosen()
    assert owned
    company = {"frontend": "nextjs"}  # of whose files some belong to another answer, too
    with_default = render(copy, tmp_path / "default", {**company, question: default})
    without = render(copy, tmp_path / "another", {**company, question: "another"})
    for path in owned:
        assert (with_default / path.lstrip("/")).exists(), path
        assert not (without / path.lstrip("/")).exists(), path


# --- The template itself ---


def test_few_template_files_hold_jinja(source: Path) -> None:
    every = files_of(source / "template")
    templated = [path for path in every if path.suffix == ".jinja"]
    assert len(templated) * 6 < len(every)


def test_every_jinja_file_has_something_to_render(source: Path) -> None:
    for path in (source / "template").rglob("*.jinja"):
        assert "{{" in text_of(path) or "{%" in text_of(path), path


def test_no_path_holds_jinja_and_none_is_a_link(source: Path) -> None:
    for path in files_of(source):
        assert not path.is_symlink(), path
        assert "{" not in str(path.relative_to(source)), path


def test_no_file_names_a_registry_or_this_machine() -> None:
    named = {
        f"{path}:{number}": line
        for path in files()
        if path != Path(__file__).relative_to(ROOT)
        for number, line in enumerate(
            (ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        )
        if REGISTRIES.search(line) or MACHINE_PATHS.search(line)
    }
    named = {
        where: line for where, line in named.items() if not where.startswith("scripts/lock.sh")
    }
    assert not named
