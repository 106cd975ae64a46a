"""Rendering the template for tests, and the combinations of answers there are."""

import itertools
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import copier
import yaml

from worktree import ROOT

Answers = Mapping[str, str]

_COPIER_YML = ROOT / "copier.yml"


def questionnaire() -> dict[str, Any]:
    """What copier.yml says."""
    loaded: dict[str, Any] = yaml.safe_load(_COPIER_YML.read_text())
    return loaded


def questions() -> dict[str, dict[str, Any]]:
    """The questions of copier.yml that are asked, in their order."""
    return {
        name: details
        for name, details in questionnaire().items()
        if not name.startswith("_") and details.get("when") is not False
    }


def choices() -> dict[str, list[str]]:
    """The answers that each question offers, for those that offer any."""
    return {
        name: [_value(choice) for choice in _listed(details["choices"])]
        for name, details in questions().items()
        if "choices" in details
    }


@cache
def combinations() -> list[Answers]:
    """Every valid combination of answers: those that Copier itself accepts.

    Kept in a file, because asking costs ten seconds, and every process of the tests wants to know.
    """
    known = ROOT / f".pytest_cache/combinations-{sha256(_COPIER_YML.read_bytes()).hexdigest()}.json"
    if not known.exists():
        known.parent.mkdir(exist_ok=True)
        written = known.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(_accepted()))
        written.rename(known)
    accepted: list[Answers] = json.loads(known.read_text())
    return accepted


def _accepted() -> list[Answers]:
    offered = choices()
    every = (
        dict(zip(offered, values, strict=True)) for values in itertools.product(*offered.values())
    )
    with tempfile.TemporaryDirectory(prefix="copier-saas-") as scratch:
        # The questions alone: asking them costs milliseconds, rendering the files a second.
        source = Path(scratch, "source")
        (source / "template").mkdir(parents=True)
        shutil.copy(ROOT / "copier.yml", source)
        return [answers for answers in every if _accepts(source, Path(scratch, "copy"), answers)]


def matrix() -> list[Answers]:
    """The combinations that are checked, started and driven.

    Without a selection those that stand for all, and as many more as let every two answers meet.

    MATRIX holds words like `queue_backend=celery` or `auth_provider=oidc,supabase`; a combination
    is selected when every word is true of it. `all` selects all.

    Raises:
        ValueError: a word names no question, an answer that is not offered, or nothing is left.
    """
    words = os.environ.get(SELECTION, "").split()
    if not words:
        return pairwise(covering())
    selected = combinations()
    for word in words if words != ["all"] else []:
        question, _, wanted = word.partition("=")
        offered = choices().get(question)
        if offered is None:
            raise ValueError(f"{SELECTION}: {word}: name one of {', '.join(choices())}")
        if unknown := set(wanted.split(",")) - set(offered):
            raise ValueError(f"{SELECTION}: {word}: {unknown} is none of {', '.join(offered)}")
        selected = [answers for answers in selected if answers[question] in wanted.split(",")]
    if not selected:
        raise ValueError(f"{SELECTION}: these answers do not go together")
    return selected


SELECTION = "MATRIX"
"""The environment's name for what is selected of the matrix."""


def pairwise(chosen: Sequence[Answers] = ()) -> list[Answers]:
    """Few combinations in which every two answers that go together meet.

    Args:
        chosen: Those that are among them anyway, and come first.
    """
    found = list(chosen)
    missing = set().union(*map(pairs, combinations())).difference(*map(pairs, found))
    while missing:
        best = max(combinations(), key=lambda answers: len(pairs(answers) & missing))
        missing -= pairs(best)
        found.append(best)
    return found


def pairs(answers: Answers) -> set[tuple[tuple[str, str], ...]]:
    """Every two answers of a combination, each with its question."""
    return set(itertools.combinations(answers.items(), 2))


# Answers that are tried together: each of them needs a combination, and one is enough for both.
COMPANY: Mapping[str, Mapping[str, str]] = {
    "schemas": {"auth_provider": "supabase", "database_host": "supabase"},
    "databases": {"auth_provider": "oidc", "database_host": "neon"},
    "users": {"database_host": "supabase"},
    "celery": {"database_host": "supabase"},
}


@cache
def covering() -> list[Answers]:
    """Few combinations in which every answer of every question occurs, the defaults first.

    For what is dear to run: each of them boots a product, which takes about a minute. The defaults,
    then each answer that did not occur yet as `each` has it. So a fault of one answer shows, and a
    fault of two that meet in no combination here is left to the tests of every combination. None
    has a front end, which takes a minute more to build: see `in_browsers`.
    """
    found: list[Answers] = [_bare()]
    for question, offered in choices().items():
        for answer in offered if question != "frontend" else []:
            if all(answers[question] != answer for answers in found):
                found.append(_with(question, answer))
    return found


def each(question: str) -> list[Answers]:
    """A combination for each answer to one question, with COMPANY, else the defaults, for company.

    Only the queue is the one that needs no server of its own, unless it is the queue that is being
    varied, or the answer does not go with that one; and there is no front end, which takes a minute
    to build, unless it is the front end.

    Raises:
        ValueError: an answer goes with neither, so that it would not be tried.
    """
    return [_with(question, answer) for answer in choices()[question]]


def _with(question: str, answer: str) -> Answers:
    wanted = {**COMPANY.get(answer, {}), question: answer}
    for company in (_bare() | {"queue_backend": "procrastinate"}, _bare()):
        if company | wanted in combinations():
            return company | wanted
    raise ValueError(f"{question} {answer} has no valid company: say in each() how to try it")


@cache
def in_browsers() -> list[Answers]:
    """A combination for each provider, with a front end; none deals with organizations alike."""
    company = _defaults() | {"queue_backend": "procrastinate", "frontend": "nextjs"}
    return [
        company | {"auth_provider": "clerk"},
        company | {"auth_provider": "oidc"},
        company | {"auth_provider": "supabase", "tenancy_model": "users"},
    ]


def name_of(answers: Answers) -> str:
    """A combination's name in test ids and folders: its answers, joined."""
    return "-".join(answers.values())


def render(source: Path, destination: Path, answers: Mapping[str, object]) -> Path:
    """Render a snapshot of the template with these answers and no tasks.

    Raises:
        ValueError: an answer is refused by its question.
    """
    with warnings.catch_warnings(), patch("copier._main.is_git_available", return_value=False):
        # It asks git about each file, which is a third of the time, and this is no repository yet.
        warnings.simplefilter("ignore", ResourceWarning)  # Copier's, about its own temporary files
        copier.run_copy(
            str(source),
            destination,
            data=dict(answers),
            defaults=True,
            overwrite=True,
            quiet=True,
            skip_tasks=True,
        )
    return destination


def files_of(repository: Path) -> list[Path]:
    """Every file and link under a folder, sorted, without what tools leave behind."""
    caches = {
        *(".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
        *("node_modules", ".next"),
    }
    return sorted(
        path
        for path in repository.rglob("*")
        if (path.is_symlink() or not path.is_dir())
        and not caches & set(path.relative_to(repository).parts)
    )


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment of a user's shell: without what pytest, make or a virtual environment set.

    The template's tools, uv among them, come last on PATH, as if they were installed.
    """
    ours = ("PYTEST_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "GIT_DIR", "GIT_WORK_TREE")
    servers = (
        *("DATABASE_", "LISTEN_DATABASE_", "MIGRATION_DATABASE_", "READ_DATABASE_", "PG"),
        *("REDIS_", "BROKER_", "STORAGE_", "AUTH_", "API_PORT", "WEB", "DEV_SIGN_IN_"),
    )
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith((*ours, *servers))
    }
    kept["PATH"] = f"{kept['PATH']}{os.pathsep}{ROOT / '.venv/bin'}"
    kept["UV_PYTHON_DOWNLOADS"] = "never"
    # What npm has downloaded before is not asked for again.
    kept["npm_config_prefer_offline"] = "true"
    return kept | extra


def _defaults() -> dict[str, str]:
    return {name: str(questions()[name]["default"]) for name in choices()}


def _bare() -> dict[str, str]:
    return _defaults() | {"frontend": "none"}


def _listed(offered: Any) -> Iterator[Any]:
    yield from offered.values() if isinstance(offered, dict) else offered


def _value(choice: Any) -> str:
    return str(choice["value"] if isinstance(choice, dict) else choice)


def _accepts(source: Path, destination: Path, answers: Answers) -> bool:
    try:
        render(source, destination, answers)
    except ValueError:
        return False
    return True
