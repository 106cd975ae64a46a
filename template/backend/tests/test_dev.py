"""The development environment: its servers survive what happens to them, and nothing is left."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.choices import tenancy
from app.dev import processes, servers
from app.dev.choices import mail, queue
from app.dev.placement import delete_moved_data
from app.dev.postgres import Postgres
from app.dev.processes import LOOPBACK, DevelopmentError, ProcessIdentity, free_port
from app.dev.queues import Place
from app.dev.servers import BACKEND, dev_environment
from app.settings import Settings

SECONDS = 90.0
DEV = {
    "ENVIRONMENT": "development",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "APP_API_PASSWORD": "api-secret",
    "APP_WORKER_PASSWORD": "worker-secret",
    "DEV_DATABASE_PASSWORD": "database-secret",
    "DEV_QUEUE_PASSWORD": "queue-secret",
    # Empty means unset, whatever this machine's .env says: the tests use no server of yours.
    "DATABASE_URL": "",
    "MIGRATION_DATABASE_URL": "",
    "REDIS_URL": "",
    "BROKER_URL": "",
    "STORAGE_URL": "",
    "AUTH_ISSUER": "",
    "API_PORT": "",
    # A front end takes a while to start: it has tests of its own.
    "WEB": "none",
    "APP_DEV_ENVIRONMENT": "",
}


QUEUE = [part.name for part in [queue.server(Place(Path(), Path(), "secret"))] if part]


# .env


def complete(folder: Path) -> str:
    script = BACKEND / "app" / "dev" / "env_file.py"
    return subprocess.run(
        [sys.executable, "-I", "-S", script, "--repository", folder],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_the_settings_file_is_private_and_its_values_are_kept(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert complete(tmp_path).count("\n") == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_text()
    secrets = re.findall(r"PASSWORD=(.+)", first)
    assert len(secrets) == len(set(secrets)) == 4
    assert min(map(len, secrets)) >= 32

    file.write_text(
        first.replace(secrets[0], "mine").replace("DEV_QUEUE_PASSWORD=", "#DEV_QUEUE_PASSWORD=")
        + "export EXTRA='kept as it is'"
    )
    assert "DEV_QUEUE_PASSWORD" in complete(tmp_path)
    second = file.read_text()
    assert "=mine\n" in second
    assert "export EXTRA='kept as it is'\n" in second
    assert re.search(r"^DEV_QUEUE_PASSWORD=\S{32,}$", second, re.MULTILINE)

    file.chmod(0o644)
    complete(tmp_path)
    assert file.read_text() == second
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_repositories_share_no_secret(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        complete(tmp_path / name)
        found.append(set(re.findall(r"PASSWORD=(.+)", (tmp_path / name / ".env").read_text())))
    assert not found[0] & found[1]


def test_every_setting_is_explained() -> None:
    text = (BACKEND.parent / ".env.example").read_text()
    explained = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    known = {name.upper() for name in Settings.model_fields}
    ports = {"API_PORT", "WEB_PORT", "WEB"}
    development = {name for name in explained if name.startswith("DEV_")} | ports
    assert explained - development == known


# Postgres


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = new_postgres(tmp_path)
    yield server
    server.destroy()


def new_postgres(folder: Path, **options: Any) -> Postgres:
    return Postgres(
        folder / "postgres",
        **{
            "name": "shop",
            "password": "s3cret",
            "log": folder / "postgres.log",
            "durable": False,
            **options,
        },
    )


def query(url: str, statement: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_the_owner_is_no_superuser_and_everyone_needs_the_password(postgres: Postgres) -> None:
    postgres.start()
    assert (
        query(
            postgres.url(),
            "select (rolcreaterole, rolsuper, rolbypassrls)::text from pg_roles"
            " where rolname = current_user",
        )
        == "(t,f,f)"
    )
    assert (
        query(
            postgres.url(), "select pg_get_userbyid(datdba) from pg_database where datname = 'shop'"
        )
        == "migrator"
    )
    assert query(postgres.url(), "show listen_addresses") == LOOPBACK
    assert query(postgres.admin_url, "show unix_socket_directories") == ""
    assert query(postgres.url(), "select lower('ÄÖ')") == "äö"
    for user in ("postgres", "migrator"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(postgres.url(user, "wrong"), "select 1")


def test_a_variable_for_another_postgres_does_no_harm(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGDATA": "/nowhere",
        "PGPORT": "1",
        "PGOPTIONS": "-c nonsense=1",
        "LD_LIBRARY_PATH": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    postgres.start()
    monkeypatch.undo()
    assert query(postgres.url(), "select 1") == 1


def test_after_kill_9_with_a_busy_session_everything_is_there(postgres: Postgres) -> None:
    postgres.start()
    query(postgres.url(), "create table things (id int)")
    query(postgres.url(), "insert into things values (1) returning id")
    busy = threading.Thread(target=run_for_long, args=(postgres.url(),))
    busy.start()
    wait_for_a_busy_session(postgres)
    os.kill(postgres.pid, signal.SIGKILL)
    assert postgres.process is not None
    postgres.process.wait()
    postgres.start()
    busy.join(SECONDS)
    assert not busy.is_alive()
    assert query(postgres.url(), "select id from things") == 1


def run_for_long(url: str) -> None:
    with suppress(psycopg.OperationalError):
        query(url, "select count(*) from generate_series(1, 10000000000)")


def wait_for_a_busy_session(postgres: Postgres) -> None:
    active = "select count(*) from pg_stat_activity where query like '%generate_series(1, 1%'"
    assert processes.wait_until(lambda: query(postgres.admin_url, active) > 1, SECONDS)


def test_a_server_left_over_on_the_data_is_replaced(tmp_path: Path, postgres: Postgres) -> None:
    postgres.start()
    leftover = postgres.process
    assert leftover is not None
    heir = new_postgres(tmp_path)
    heir.start()
    try:
        assert leftover.wait(SECONDS) == 0
        assert query(heir.url(), "select 1") == 1
    finally:
        heir.stop()


def test_a_stale_pid_that_another_program_has_now_is_no_obstacle(postgres: Postgres) -> None:
    postgres.start()
    pid_file = postgres.directory / "postmaster.pid"
    stale = pid_file.read_text().replace(str(postgres.pid), str(os.getpid()), 1)
    owner = pid_file.stat()
    postgres.stop()
    pid_file.write_text(stale)
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    postgres.start()
    assert query(postgres.url(), "select 1") == 1


def test_a_start_that_was_cut_off_is_made_good(tmp_path: Path, postgres: Postgres) -> None:
    code = (
        "import os, sys; from pathlib import Path; from app.dev.postgres import Postgres;"
        "folder = Path(sys.argv[1]);"
        "server = Postgres(folder / 'postgres', name='shop', password='x', log=folder / 'log');"
        "print(server.directory.parent, flush=True); server.start()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], cwd=BACKEND, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        parent = Path(starter.stdout.readline().strip())
        found = processes.wait_until(lambda: any(parent.glob(".*.new-*/postgresql.conf")), SECONDS)
        starter.kill()
    assert found
    postgres.start()
    assert query(postgres.url(), "select 1") == 1
    assert not list(parent.glob(".*.new-*"))


def test_a_taken_port_is_left_to_its_owner(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as owner:
        taken = owner.getsockname()[1]
        server = new_postgres(tmp_path, port=taken)
        server.start()
        try:
            assert server.port != taken
            assert query(server.url(), "select 1") == 1
        finally:
            server.destroy()


def test_where_no_port_is_free_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        monkeypatch.setattr(processes, "_PORTS", [taken.getsockname()[1]])
        monkeypatch.setattr(processes, "_TRIES", 1)
        with pytest.raises(DevelopmentError, match="in use"):
            free_port()


def test_a_new_password_is_taken_over(tmp_path: Path, postgres: Postgres) -> None:
    postgres.start()
    postgres.stop()
    changed = new_postgres(tmp_path, password="it's new")
    changed.start()
    try:
        assert query(changed.url(), "select 1") == 1
        assert query(changed.admin_url, "select 1") == 1
    finally:
        changed.stop()


def test_data_of_another_major_version_is_not_touched(postgres: Postgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.directory / "PG_VERSION").write_text("9\n")
    with pytest.raises(DevelopmentError, match="written by Postgres 9") as caught:
        postgres.start()
    assert f"mv {postgres.directory}" in str(caught.value)


def test_a_removed_folder_means_an_empty_database(tmp_path: Path, postgres: Postgres) -> None:
    postgres.start()
    query(postgres.url(), "create table things (id int)")
    postgres.stop()
    shutil.rmtree(tmp_path / "postgres")
    postgres.start()
    assert query(postgres.url(), "select to_regclass('things')::text") is None


@pytest.fixture
def dev_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "dev"
    yield folder
    delete_moved_data(folder / "postgres")


# One-shot commands


def test_a_command_has_servers_only_as_long_as_it_runs(
    dev_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in DEV.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with dev_environment(dev_dir):
        url = os.environ["MIGRATION_DATABASE_URL"]
        assert query(url, "select current_user::text") == "migrator"
        if queue.SETTING is not None:
            assert os.environ[queue.SETTING]
        assert servers.answers(f"{os.environ['AUTH_ISSUER']}/.well-known/jwks.json")
    assert dict(os.environ) == before
    with pytest.raises(psycopg.OperationalError):
        query(url, "select 1")


def test_outside_development_a_command_gets_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**DEV, "ENVIRONMENT": "production"}.items():
        monkeypatch.setenv(name, value)
    with dev_environment(tmp_path):
        assert os.environ["DATABASE_URL"] == ""
    assert list(tmp_path.iterdir()) == []


def test_a_url_of_your_own_leads_each_login_to_the_same_database() -> None:
    url = "postgresql://boss:x%40y@db.example.com:6543/shop?sslmode=require"
    assert (
        servers.login_url(url, "app_api", "a/b@c")
        == "postgresql://app_api:a%2Fb%40c@db.example.com:6543/shop?sslmode=require"
    )


# make dev


class MakeDev:
    """`app dev`, with a folder of its own in place of the repository's `.dev`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.port = free_port()
        self.output = folder.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        code = (
            "import sys; from pathlib import Path; from app.dev.supervisor import run;"
            "sys.exit(run(int(sys.argv[2]), False, Path(sys.argv[1])))"
        )
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code, self.folder, str(self.port)],
                cwd=BACKEND,
                env={**os.environ, **DEV, **self.settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def is_ready(self) -> bool:
        return f"\nready http://127.0.0.1:{self.port}" in self.said()

    def said(self) -> str:
        return self.output.read_text()

    def start_and_wait(self) -> None:
        self.start()
        process = self.process
        assert process is not None
        settled = processes.wait_until(
            lambda: process.poll() is not None or self.is_ready(), SECONDS
        )
        assert settled, self.said()
        assert process.poll() is None, self.said()

    def end(self) -> int:
        assert self.process is not None
        return self.process.wait(SECONDS)

    def runtime(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "runtime.json").read_text())
        return content

    def parts(self) -> dict[str, ProcessIdentity]:
        found = {name: ProcessIdentity.of(pid) for name, pid in self.runtime()["pids"].items()}
        running = {name: identity for name, identity in found.items() if identity is not None}
        expected = {"postgres", "issuer", "api", "worker", *QUEUE, *tenancy.PROCESSES}
        expected |= {"mail"} if mail.settings(None) else set()
        assert running.keys() == found.keys() == expected
        return running


@pytest.fixture
def make_dev(dev_dir: Path) -> Iterator[MakeDev]:
    dev = MakeDev(dev_dir)
    yield dev
    if dev.process is not None and dev.process.poll() is None:
        dev.process.terminate()
        dev.process.wait(SECONDS)


def all_gone(parts: dict[str, ProcessIdentity]) -> bool:
    return not any(identity.is_running() for identity in parts.values())


def test_it_runs_once_and_a_signal_ends_all_of_it(make_dev: MakeDev) -> None:
    make_dev.start_and_wait()
    assert len(re.findall(r"^ready", make_dev.said(), re.MULTILINE)) == 1
    runtime = make_dev.runtime()
    assert stat.S_IMODE((make_dev.folder / "runtime.json").stat().st_mode) == 0o600
    parts = make_dev.parts()
    assert query(runtime["urls"]["app_api"], "select current_user::text") == "app_api"
    assert query(runtime["urls"]["app_worker"], "select current_user::text") == "app_worker"
    if sys.platform == "linux":
        for name, foreign in (("api", "migrator"), ("worker", "migrator")):
            environment = Path(f"/proc/{parts[name].pid}/environ").read_text()
            assert runtime["urls"][foreign] not in environment

    second = MakeDev(make_dev.folder)
    second.output = make_dev.folder.with_suffix(".second")
    second.start()
    assert second.end() == 1
    assert f"already runs here, as process {runtime['supervisor']['pid']}" in second.said()
    assert not all_gone(parts)

    assert make_dev.process is not None
    make_dev.process.send_signal(signal.SIGINT)
    assert make_dev.end() == 0
    assert all_gone(parts)
    assert not (make_dev.folder / "runtime.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_kill_9_leaves_nothing_and_the_next_start_works(make_dev: MakeDev) -> None:
    make_dev.start_and_wait()
    parts = make_dev.parts()
    issuer = make_dev.runtime()["urls"]["issuer"]
    assert make_dev.process is not None
    make_dev.process.kill()
    make_dev.end()
    assert processes.wait_until(lambda: all_gone(parts), SECONDS)

    make_dev.start_and_wait()
    assert make_dev.runtime()["urls"]["issuer"] == issuer
    parts = make_dev.parts()
    log = make_dev.folder / "logs/worker.log"
    assert processes.wait_until(lambda: "worker.started" in log.read_text(), SECONDS)
    os.kill(parts["worker"].pid, signal.SIGKILL)
    assert make_dev.end() == 1
    assert "error: worker has ended (killed by SIGKILL)" in make_dev.said()
    assert "worker.started" in make_dev.said().partition("error: ")[2]
    assert all_gone(parts)


def test_a_taken_port_is_named_before_anything_starts(make_dev: MakeDev) -> None:
    with socket.create_server((LOOPBACK, make_dev.port)):
        make_dev.start()
        assert make_dev.end() == 1
    assert f"Port {make_dev.port}" in make_dev.said()
    assert "make dev API_PORT=" in make_dev.said()
    assert not (make_dev.folder / "postgres").exists()
