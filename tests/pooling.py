"""PgBouncer in transaction mode before a product's Postgres, and an API that knows no other way."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import httpx
import psycopg
import pytest

from driving import START_SECONDS, STOP_SECONDS, Product, free_port, until
from rendering import clean_environment

LOGIN = "app_api"

OLDEST_POSTGRES = Path("/usr/lib/postgresql/15/bin")
"""Of the oldest version that products run on, where this machine has it."""

# https://www.pgbouncer.org/config.html. Every database goes through it, for products that have
# several. Nothing in ignore_startup_parameters: the product must not send what a pooler refuses.
# Nothing resets a connection between two transactions: what one leaves there, the next one finds.
_SETTINGS = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
admin_users = {login}
pool_mode = transaction
default_pool_size = {connections}
reserve_pool_size = 0
max_client_conn = 500
server_reset_query =
"""


_MISSING = "there is no pgbouncer on this machine: apt-get install pgbouncer"


def program() -> str:
    """PgBouncer's path; without it the test is skipped, but for CI, where it fails."""
    if not can_pool():
        pytest.skip(_MISSING)
    return str(_found())


def can_pool() -> bool:
    """Whether there is a PgBouncer, without which some tests prove less; in CI there must be."""
    if _found() is None and os.environ.get("CI"):
        pytest.fail(_MISSING)
    return _found() is not None


def _found() -> str | None:
    # Debian installs it where only root looks.
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    url: str
    """The product's database through the pooler, as the API logs in."""

    def show(self, what: str) -> list[dict[str, Any]]:
        """What its own console says: https://www.pgbouncer.org/usage.html#admin-console."""
        console = urlunsplit(urlsplit(self.url)._replace(path="/pgbouncer"))
        with psycopg.connect(console, autocommit=True) as connection:
            cursor = connection.execute(f"show {what}".encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def pooled(product: Product, connections: int) -> Iterator[Pooler]:
    """Run PgBouncer before the product's Postgres, with so many connections to each database."""
    executable = program()
    direct = urlsplit(product.runtime()["urls"][LOGIN])
    # Beside the repository: whoever runs the servers has to reach it.
    folder = product.repository.parent / "pgbouncer"
    folder.mkdir(exist_ok=True)
    port = free_port()
    (folder / "users.txt").write_text(f'"{LOGIN}" "{unquote(direct.password or "")}"\n')
    (folder / "pgbouncer.ini").write_text(
        _SETTINGS.format(
            host=direct.hostname,
            port=direct.port,
            own_port=port,
            folder=folder,
            login=LOGIN,
            connections=connections,
        )
    )
    # It refuses to run as root.
    account: dict[str, Any] = (
        {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    )
    with program_running(
        [executable, folder / "pgbouncer.ini"], folder / "log", **account
    ) as is_alive:
        pooler = Pooler(_at(direct, port))
        until(
            lambda: is_alive() and _lets_in(pooler.url), "a login through the pooler", START_SECONDS
        )
        yield pooler


@contextmanager
def api_behind(pooler: Pooler, product: Product, **settings: str) -> Iterator[str]:
    """Run another API of the product, through the pooler, and give its address.

    Only what listens goes past the pooler, as the product's documentation says.
    """
    running = product.runtime()
    kept = {
        name: value for name, value in running["environment"].items() if "DATABASE_URL" not in name
    }
    port = free_port()
    environment = clean_environment(
        **kept,
        DATABASE_URL=pooler.url,
        LISTEN_DATABASE_URL=running["urls"][LOGIN],
        **settings,
    )
    log = product.repository.parent / "pooled-api.log"
    app = product.repository / "backend/.venv/bin/app"
    command: list[str | Path] = [app, "api", "--port", str(port)]
    with program_running(
        command, log, cwd=product.repository / "backend", env=environment
    ) as is_alive:
        url = f"http://127.0.0.1:{port}"
        until(lambda: is_alive() and is_ready(url), "an API behind the pooler", START_SECONDS)
        yield url


@contextmanager
def program_running(command: list[str | Path], log: Path, **options: Any) -> Iterator[Any]:
    """Run a program as long as the block does; the block can ask whether it is alive."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,
        )

    def is_alive() -> bool:
        assert process.poll() is None, f"{command[0]} has ended:\n{log.read_text()}"
        return True

    try:
        yield is_alive
        is_alive()
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _at(direct: SplitResult, port: int) -> str:
    login, _, _ = direct.netloc.rpartition("@")
    return urlunsplit(direct._replace(netloc=f"{login}@127.0.0.1:{port}"))


def _lets_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False
