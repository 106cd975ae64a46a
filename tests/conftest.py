"""What every test of the template shares: a snapshot of the working tree, and its renders."""

from pathlib import Path

import pytest

from rendering import Answers, name_of, render, rotating
from worktree import snapshot


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it is now, uncommitted work included; read only."""
    return snapshot(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session", params=rotating(), ids=name_of)
def combination(request: pytest.FixtureRequest) -> Answers:
    """Each valid combination of answers in turn, but for the host, which takes turns itself."""
    answers: Answers = request.param
    return answers


@pytest.fixture(scope="session")
def rendered(source: Path, combination: Answers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a combination renders to; read only. Render your own to change something in it."""
    return render(source, tmp_path_factory.mktemp("rendered") / "acme", combination)


# First, because pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, on one of several processes, the tests that share what was dear to set up."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        combination = parameters.params.get("combination") if parameters else None
        name = f"{item.path.stem} {name_of(combination)}" if combination else item.path.stem
        item.add_marker(pytest.mark.xdist_group(name))
