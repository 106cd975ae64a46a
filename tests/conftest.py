"""What every test of the template shares: a snapshot of the working tree, and its renders."""

import os
from pathlib import Path

import pytest
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import summary
from rendering import Answers, combinations, matrix, name_of, render
from worktree import snapshot

# A combination's files are looked at, checked and started in one process, where it is set up once.
_OF_EVERY_COMBINATION = ("tests/test_render.py", "tests/test_matrix.py", "tests/test_boot.py")
_OF_A_FRONT_END = (
    *_OF_EVERY_COMBINATION,
    *("tests/test_browser.py", "tests/test_sessions.py", "tests/test_delivery.py"),
)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it is now, uncommitted work included; read only."""
    return snapshot(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session", params=matrix(), ids=name_of)
def combination(request: pytest.FixtureRequest) -> Answers:
    """Each valid combination of answers in turn, or each that was selected."""
    answers: Answers = request.param
    return answers


@pytest.fixture(scope="session")
def rendered(source: Path, combination: Answers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a combination renders to; read only. Render your own to change something in it."""
    return render(source, tmp_path_factory.mktemp("rendered") / "acme", combination)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "among(combinations): only for these, because it is dear or much the same in all"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not meant for its combination, and begin with what takes longest."""
    elsewhere = {item for item in items if not _is_meant(item)}
    if elsewhere:
        config.hook.pytest_deselected(items=list(elsewhere))
    items[:] = sorted(
        (item for item in items if item not in elsewhere),
        key=lambda item: (item.path.stem not in _LONGEST, item.path.stem in _LAST),
    )


_LONGEST = {"test_generated"}
# It builds a front end otherwise, with which nothing else goes on.
_LAST = {"test_delivery"}


def _is_meant(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("among")
    parameters = getattr(item, "callspec", None)
    return mark is None or parameters is None or parameters.params["combination"] in mark.args[0]


class _Grouped(LoadScopeScheduling):
    """Keeps together, on one of several processes, the tests that share what was dear to set up."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        answers = next((_BY_NAME[name] for name in _NAMES if name in test), None)
        if answers is None:
            return path
        if path in _OF_A_FRONT_END and answers["frontend"] != "none":
            # It is built once for all that have the same one.
            organizations = "no" if answers["tenancy_model"] == "users" else "with"
            return f"{answers['auth_provider']} {organizations} organizations"
        return f"{'matrix' if path in _OF_EVERY_COMBINATION else path} {name_of(answers)}"


_BY_NAME = {name_of(answers): answers for answers in combinations()}
# Longest first, as a shorter name may be a part of it.
_NAMES = sorted(_BY_NAME, key=len, reverse=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Grouped:
    """Not by pytest-xdist's own marks for groups, which pytest 9.2 does not let it set."""
    return _Grouped(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how each combination did, where every process's reports come together."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    summary.write(terminalreporter, _NAMES, _OF_EVERY_COMBINATION)
