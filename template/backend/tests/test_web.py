"""The front end in development: it starts and ends with the rest, and is told what it needs."""

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.dev import processes
from app.dev.placement import delete_moved_data
from app.dev.processes import LOOPBACK, ProcessIdentity, free_port
from app.dev.web import SIGN_IN_SECRET, nextjs
from tests.test_dev import MakeDev

SECONDS = 120.0


@pytest.fixture
def make_dev(tmp_path: Path) -> Iterator[MakeDev]:
    dev = MakeDev(tmp_path / "dev", WEB="development", WEB_PORT=str(free_port()))
    yield dev
    if dev.process is not None and dev.process.poll() is None:
        dev.process.terminate()
        dev.process.wait(SECONDS)
    delete_moved_data(dev.folder / "postgres")


def family(pid: int) -> list[ProcessIdentity]:
    """A process and all that it started, and those started in turn."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [identity for child in children for identity in family(int(child))]
    identity = ProcessIdentity.of(pid)
    return found if identity is None else [identity, *found]


def gone(identities: list[ProcessIdentity]) -> bool:
    return not any(identity.is_running() for identity in identities)


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="what a process started is read in /proc")
def test_it_lives_and_dies_with_the_rest(make_dev: MakeDev) -> None:
    web = f"http://localhost:{make_dev.settings['WEB_PORT']}"
    make_dev.start_and_wait()
    assert f"ready http://127.0.0.1:{make_dev.port} {web}\n" in make_dev.said()
    assert make_dev.runtime()["urls"]["web"] == web
    answer = httpx.get(f"{web}/sign-in", trust_env=False, timeout=60.0)
    assert answer.status_code == 200
    # The secret is the servers': in the page, or where commands read it, it would be anybody's.
    pid = make_dev.runtime()["pids"]["web"]
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    (secret,) = [
        value
        for name, _, value in (line.partition("=") for line in environment)
        if name == SIGN_IN_SECRET
    ]
    assert secret not in answer.text
    assert secret not in (make_dev.folder / "runtime.json").read_text()

    running = family(pid)
    assert len(running) > 1
    assert make_dev.process is not None
    make_dev.process.kill()
    make_dev.end()
    assert processes.wait_until(lambda: gone(running), SECONDS)

    make_dev.start_and_wait()
    identity = ProcessIdentity.of(make_dev.runtime()["pids"]["web"])
    assert identity is not None
    running = family(identity.pid)
    processes.stop_stranger(identity, (signal.SIGKILL, SECONDS))
    assert make_dev.end() == 1
    assert "error: web has ended" in make_dev.said()
    assert processes.wait_until(lambda: gone(running), SECONDS)


def test_a_taken_port_is_named_before_anything_starts(make_dev: MakeDev) -> None:
    port = int(make_dev.settings["WEB_PORT"])
    with socket.create_server((LOOPBACK, port)):
        make_dev.start()
        assert make_dev.end() == 1
    assert f"Port {port}, where the front end should listen" in make_dev.said()
    assert "make dev WEB_PORT=" in make_dev.said()
    assert not (make_dev.folder / "postgres").exists()


@pytest.mark.parametrize("name", ["WEB", "WEB_PORT"])
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "none of it")
    with pytest.raises(processes.DevelopmentError, match=f"^{name} must be"):
        nextjs.front_end("http://127.0.0.1:1", {})
