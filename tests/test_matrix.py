"""Every combination is a repository as a person would keep it: green, and with nothing unused."""

import os
from pathlib import Path

import pytest
import yaml

from driving import Product
from rendering import SELECTION, Answers, combinations, covering, matrix, name_of
from unused import unused_modules, unused_packages
from workspace import Workspace
from worktree import ROOT

pytest_plugins = ["products"]

of_each_combination = pytest.mark.parametrize(
    "combination", matrix(), ids=name_of, indirect=True, scope="session"
)

# Those that run their own suite in `test_generated.py` need no part of it here.
among_others = pytest.mark.among([each for each in combinations() if each not in covering()])

# Tests of what two answers make together: a tenancy and a host (contacts), a provider (members) or
# a queue (Node's jobs), a provider and a host (Supabase's hook). Few pairs meet in whole suites.
TOGETHER = "test_contacts or test_members or test_intake or test_supabase_hook"


@of_each_combination
def test_its_check_is_green(product: Product, workspace: Workspace) -> None:
    product.make("check", "WEB_READY=")  # which leaves the front end's part to the next lines
    if product.has_front_end:
        product.make("client", "CHECK=--check")
        _leave_types_of_a_page_that_is_gone(product.repository / "frontend")
        workspace.once("check", lambda: product.npm("run", "check"))


def _leave_types_of_a_page_that_is_gone(front_end: Path) -> None:
    """As `next dev` does, which writes them anew only when it runs again."""
    types = front_end / ".next/dev/types"
    types.mkdir(parents=True, exist_ok=True)
    (types / "validator.ts").write_text('import "../../../src/app/gone/page.js";\n')


@of_each_combination
def test_every_module_is_used(rendered: Path) -> None:
    assert not unused_modules(rendered)


@of_each_combination
def test_every_dependency_is_used(rendered: Path) -> None:
    assert not unused_packages(rendered)


@among_others
@of_each_combination
@pytest.mark.parametrize(
    "selected",
    [
        # Without the slowest, which its suite has: tokens and the scaffold.
        pytest.param("-m 'not servers' -k 'not (new_table or test_auth)'", id="without servers"),
        pytest.param(f"-k '{TOGETHER}'", id="together"),
    ],
)
def test_a_part_of_its_own_tests_is_green(product: Product, selected: str) -> None:
    product.make("test", f"ARGS=-q {selected}", "WEB_READY=")


@of_each_combination
@pytest.mark.skipif(not os.environ.get(SELECTION), reason=f"{SELECTION} selects nothing")
@pytest.mark.timeout(3600)
def test_its_own_tests_are_green(product: Product) -> None:
    if product.is_running:
        product.stop()
    product.make("test")


def test_the_matrix_is_run_in_parts_that_leave_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/matrix.yml").read_text())
    selected: list[Answers] = []
    for words in workflow["jobs"]["test"]["strategy"]["matrix"]["answers"]:
        monkeypatch.setenv(SELECTION, words)
        selected += matrix()
    assert sorted(map(name_of, selected)) == sorted(map(name_of, combinations()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("queue=celery", "name one of tenancy_model"),
        ("queue_backend=kafka", "kafka"),
        ("tenancy_model=databases queue_backend=celery", "do not go together"),
    ],
)
def test_a_selection_that_means_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    monkeypatch.setenv(SELECTION, words)
    with pytest.raises(ValueError, match=said):
        matrix()
