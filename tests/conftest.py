"""What every test of the template shares: a snapshot of the working tree, and its renders."""

from pathlib import Path

import pytest
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from rendering import Answers, combinations, name_of, render, rotating
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


class _Grouped(LoadScopeScheduling):
    """Keeps together, on one of several processes, the tests that share what was dear to set up."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        return f"{path} {next((name for name in _NAMES if name in test), '')}"


# Longest first, as a shorter name may be a part of it.
_NAMES = sorted(map(name_of, combinations()), key=len, reverse=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Grouped:
    """Not by pytest-xdist's own marks for groups, which pytest 9.2 does not let it set."""
    return _Grouped(config, log)
