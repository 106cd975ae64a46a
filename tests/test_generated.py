"""A generated repository's own commands, as its owner would type them.

Those of one with a front end are in test_delivery.
"""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from pooling import OLDEST_POSTGRES, can_pool
from rendering import Answers, clean_environment, covering, name_of, questions, render

pytestmark = pytest.mark.parametrize(
    "combination", covering(), ids=name_of, indirect=True, scope="session"
)


# What a combination that stands for one answer runs of the suite, as pytest's -k selects it: what
# the answer has something to do with. The rest is left to the defaults, which run everything.
SELECTED = {
    "tenancy_model": (
        "not (test_queue or test_dev or test_valkey or test_realtime.py or test_realtime_redis or "
        "test_realtime_postgres or test_intake or test_security or test_csv_file or test_online or "
        "test_host_versions or test_repeat or test_fuzz or test_replica or test_audit_export or "
        "test_its_types_are_right)"
    ),
    # Last, because the queue that needs no server also accompanies the other answers.
    "queue_backend": (
        "test_queue or test_jobs or test_imports or test_intake or test_email or test_dev or "
        "test_audit_export or test_realtime or (test_tenants and job)"
    ),
}

# The defaults run as their owner runs them, and so do those that stand for a queue, whose server
# they kill. The others run as their host has it: the application's logins come through a pooler in
# transaction mode. In turn they do so on the oldest Postgres and on the embedded one; those that
# meet the one here are driven on the other (see test_boot).
BEHIND_A_POOLER = [name_of(answers) for answers in covering() if answers["tenancy_model"] != "rows"]
ON_THE_OLDEST = [name_of(answers) for answers in covering()[1::2]]
ISOLATION = "test_isolation or test_contacts"


@pytest.fixture(scope="module")
def repository(
    source: Path, combination: Answers, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A render to work in, already set up."""
    destination = tmp_path_factory.mktemp("generated") / "acme"
    # Root's servers run as another user, who has to reach their files.
    for folder in (destination.parent, destination.parent.parent):
        folder.chmod(0o755)
    render(source, destination, combination)
    make(destination, "setup")
    return destination


def make(repository: Path, target: str, *words: str, seconds: float = 300, **settings: str) -> None:
    """Run make as in a fresh shell; on failure show the end of what it said.

    Whatever it started ends with it, also when it takes too long.
    """
    log = repository.parent / f"{target}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["make", target, *words],
            cwd=repository,
            env=clean_environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | str = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = f"still running after {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    end = "\n".join(log.read_text().splitlines()[-80:])
    assert status == 0, f"make {target}: {status}\n{end}"


def test_setup_writes_settings_and_lock_file_once(repository: Path) -> None:
    settings = repository / ".env"
    lock = repository / "backend/uv.lock"
    assert settings.stat().st_mode & 0o777 == 0o600
    before = settings.read_bytes(), lock.read_bytes()
    make(repository, "setup")
    assert (settings.read_bytes(), lock.read_bytes()) == before


@pytest.mark.timeout(2400)
def test_its_own_tests_are_green(repository: Path, combination: Answers) -> None:
    defaults = {name: question.get("default") for name, question in questions().items()}
    selected = [SELECTED[name] for name in SELECTED if combination[name] != defaults[name]]
    words = [f"ARGS=-k '{expression}'" for expression in selected[:1]]
    name = name_of(combination)
    surroundings = pooler() if name in BEHIND_A_POOLER else {}
    surroundings |= oldest() if name in ON_THE_OLDEST else {}
    make(repository, "test", *words, seconds=1800, **surroundings)


@pytest.mark.timeout(900)
def test_its_isolation_holds_behind_a_pooler(repository: Path, combination: Answers) -> None:
    """Of the defaults, whose whole suite runs without one, and on the oldest Postgres."""
    if combination != covering()[0]:
        pytest.skip("its whole suite does")
    make(repository, "test", f"ARGS=-k '{ISOLATION}'", seconds=800, **pooler(), **oldest())


def pooler() -> dict[str, str]:
    return {"TEST_POOLER": "1"} if can_pool() else {}


def oldest() -> dict[str, str]:
    """The oldest Postgres that products run on, where this machine has it."""
    there = (OLDEST_POSTGRES / "initdb").exists()
    return {"TEST_POSTGRES": str(OLDEST_POSTGRES)} if there else {}
