"""The embedded Valkey keeps its data, keeps its password to itself, and is no other Valkey."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from app.dev import processes
from app.dev.processes import LOOPBACK
from app.dev.valkey import Valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = new_valkey(tmp_path)
    yield server
    server.stop()


def new_valkey(folder: Path, **options: Any) -> Valkey:
    return Valkey(
        folder / "with space" / "valkey",
        **{"password": "s3cret", "log": folder / "valkey.log", **options},
    )


def test_valkey_keeps_what_it_has_over_kill_9(valkey: Valkey) -> None:
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        client.set("key", "value")
        client.execute_command("WAITAOF", 1, 0, 10000)
    os.kill(valkey.pid, signal.SIGKILL)
    assert valkey.process is not None
    valkey.process.wait()
    valkey.start()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.get("key") == b"value"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_valkey_needs_its_password_and_does_not_show_it(valkey: Valkey) -> None:
    valkey.start()
    with (
        redis.Redis(host=LOOPBACK, port=valkey.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    assert "s3cret" not in processes.command_line(valkey.pid)


def test_another_valkey_on_the_port_is_not_taken_for_ours(tmp_path: Path, valkey: Valkey) -> None:
    valkey.start()
    second = new_valkey(tmp_path / "second", port=valkey.port)
    (tmp_path / "second").mkdir()
    second.start()
    try:
        assert second.port != valkey.port
        with redis.Redis.from_url(second.url) as client:
            assert client.info("server")["process_id"] == second.pid
    finally:
        second.stop()
