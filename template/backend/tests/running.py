"""The product as it runs in these tests: real servers, a real API and a real worker."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from app.choices import tenancy
from app.dev import processes
from app.dev.choices import mail, provider, queue
from app.dev.postgres import OWNER, Postgres, programs_in
from app.dev.processes import LOOPBACK, free_port, last_lines
from app.dev.queues import Place
from app.dev.servers import BACKEND, Connections, answers, login_url, process_environment
from tests import forked
from tests.choices import layout, tenants
from tests.pooler import Pooler, pooled, program

_SECONDS = 60.0


POOLER = "TEST_POOLER"
"""Set to 1 it puts PgBouncer in transaction mode between the application's logins and Postgres."""

PROGRAMS = "TEST_POSTGRES"
"""The folder of the Postgres to test on, such as /usr/lib/postgresql/15/bin."""

POOLED_CONNECTIONS = 8

_SAME_SETTINGS = """
insert into pg_db_role_setting
select copy.oid, its.setrole, its.setconfig
from pg_db_role_setting its
join pg_database original on original.oid = its.setdatabase, pg_database copy
where original.datname = %(original)s and copy.datname = %(copy)s
"""
_SAME_PRIVILEGES = """
update pg_database set datacl = original.datacl
from (select datacl from pg_database where datname = %(original)s) original
where datname = %(copy)s
"""


class AppProcess:
    """One process of the product, an API or a worker, that a test may stop, kill and start."""

    def __init__(
        self,
        name: str,
        command: Callable[[], list[str]],
        environment: dict[str, str],
        log: Path,
        is_up: Callable[[], bool],
    ) -> None:
        self.log = log
        self._name = name
        self._command = command
        self._environment = environment
        self._is_up = is_up
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"the {self._name} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it, unless it runs, and wait until it does its work."""
        if self.is_running:
            return
        with self.log.open("wb") as output:
            process = self._process = processes.start(
                [sys.executable, "-m", "app.cli", *self._command()],
                env=self._environment,
                output=output,
                cwd=BACKEND,
            )
        came_up = processes.wait_until(
            lambda: process.poll() is not None or self._is_up(), _SECONDS
        )
        assert came_up, f"the {self._name} is not up:\n{last_lines(self.log, 50)}"
        assert self.is_running, f"the {self._name} has ended:\n{last_lines(self.log, 50)}"

    def stop(self) -> None:
        """End it as an operator does, with SIGTERM."""
        if self._process is not None:
            processes.stop(self._process, (signal.SIGTERM, _SECONDS))

    def kill(self) -> None:
        """End it as the out-of-memory killer does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Platform:
    """Servers with throw-away data, and everything that is needed to run the product on them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._passwords = {login: secrets.token_urlsafe() for login in ("app_api", "app_worker")}
        self._stack = stack
        self.postgres = Postgres(
            folder / "postgres",
            name="tests",
            password=secrets.token_urlsafe(),
            log=folder / "postgres.log",
            durable=False,
        )
        if os.environ.get(PROGRAMS):
            self.postgres.programs = programs_in(Path(os.environ[PROGRAMS]))
        place = Place(folder, folder, secrets.token_urlsafe())
        chosen = queue.server(place)
        self.queue_server = None if chosen is None else chosen.server
        stack.callback(self.postgres.destroy)
        if self.queue_server is not None:
            stack.callback(self.queue_server.stop)
            self.queue_server.launch()
        self.postgres.start()
        self.mailbox = mail.launch(folder, folder / "mail.log", lambda _: None)
        if self.mailbox is not None:
            stack.callback(self.mailbox.stop)
            self.mailbox.wait_ready()
        if self.queue_server is not None:
            self.queue_server.wait_ready()
        with psycopg.connect(self.postgres.admin_url, autocommit=True) as admin:
            layout.prepare_server(admin)
            layout.prepare_database(admin)
        self.pooler = self._start_pooler() if os.environ.get(POOLER) == "1" else None
        self.connections = self._connections(self.postgres.name, self._start_issuer())
        tenants.prepare(lambda: self.migrate(self.connections), self.connections)
        self.start_others(self.connections)

    def direct(self, login: str, database: str | None = None) -> str:
        """The address of a login that leads to Postgres itself, whatever is in between."""
        return login_url(self.postgres.url(database=database), login, self._passwords[login])

    def new_database(self, *, migrated: bool = True) -> Connections:
        """Create another database of the same owner and return the URLs that lead to it.

        A migrated one is a copy of one that was migrated once.
        """
        if not migrated:
            return self._create_database()
        connections = self._create_database(like=self._migrated)
        self.start_others(connections)
        return connections

    @cached_property
    def _migrated(self) -> str:
        """The name of a database that is migrated, closed to everybody, to be copied."""
        connections = self._create_database()
        tenants.prepare(lambda: self.migrate(connections), connections)
        name = _name_of(connections)
        with psycopg.connect(self.postgres.admin_url, autocommit=True) as admin:
            # A database that somebody is connected to cannot be copied.
            closed = sql.SQL("alter database {} with allow_connections false")
            admin.execute(closed.format(sql.Identifier(name)))
        return name

    def _create_database(self, like: str | None = None) -> Connections:
        name = f"tests_{secrets.token_hex(6)}"
        created = sql.SQL("create database {} owner {} template {}").format(
            *map(sql.Identifier, (name, OWNER, like or "template1"))
        )
        with psycopg.connect(self.postgres.admin_url, autocommit=True) as admin:
            admin.execute(created)
            if like is not None:
                # They belong to a name, and do not come with the copy.
                for statement in (_SAME_SETTINGS, _SAME_PRIVILEGES):
                    admin.execute(statement, {"original": like, "copy": name})
        connections = self._connections(name, self.connections.issuer)
        if like is None:
            assert connections.admin is not None
            with psycopg.connect(connections.admin, autocommit=True) as admin:
                layout.prepare_database(admin)
        return connections

    def app(
        self,
        *words: str,
        connections: Connections | None = None,
        answer: str = "",
        **settings: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run `app …` as an operator does.

        Args:
            words: What is typed after `app`.
            connections: Of which database; of the platform's own unless given.
            answer: What is typed at its prompts.
            settings: Set differently for it.
        """
        operator = (connections or self.connections).for_operator()
        env = self.environment(operator | settings)
        return forked.run(words, env=env, answer=answer)

    def migrate(self, connections: Connections) -> str:
        """Run `app migrate` and return what it printed."""
        done = self.app("migrate", connections=connections)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        """The environment of one process of the product."""
        passwords = {
            f"{login.upper()}_PASSWORD": password for login, password in self._passwords.items()
        }
        return process_environment(
            {
                "ENVIRONMENT": "test",
                "ALLOWED_HOSTS": "localhost,127.0.0.1",
                **passwords,
                **settings,
            }
        )

    def api(
        self, connections: Connections | None = None, **settings: str
    ) -> tuple[AppProcess, str]:
        """An API process that is not started yet, and its address."""
        port = free_port()
        address = f"http://{LOOPBACK}:{port}"
        connections = connections or self.connections
        process = AppProcess(
            "api",
            lambda: ["api", "--port", str(port)],
            self.environment({**connections.for_api(), **settings}),
            self.folder / f"api-{port}.log",
            lambda: answers(f"{address}/readyz"),
        )
        self._stack.callback(process.stop)
        return process, address

    def worker(self, connections: Connections | None = None, **settings: str) -> AppProcess:
        """A worker process that is not started yet."""
        log = self.folder / f"worker-{secrets.token_hex(4)}.log"
        connections = connections or self.connections
        process = AppProcess(
            "worker",
            lambda: ["worker"],
            self.environment({**connections.for_worker(), **settings}),
            log,
            lambda: "worker.started" in last_lines(log, 1000),
        )
        self._stack.callback(process.stop)
        return process

    def start_others(self, connections: Connections) -> None:
        """Start what the tenancy needs beside the API and the workers."""
        for name, arguments in tenancy.PROCESSES.items():
            log = self.folder / f"{name}-{secrets.token_hex(4)}.log"
            process = AppProcess(
                name,
                lambda arguments=arguments: list(arguments),  # type: ignore[misc]
                self.environment(connections.for_operator()),
                log,
                lambda log=log, name=name: f"{name}.started" in last_lines(log, 1000),  # type: ignore[misc]
            )
            self._stack.callback(process.stop)
            process.start()

    def _connections(self, database: str, issuer: str) -> Connections:
        owner = self.postgres.url(database=database)
        admin = self.postgres.url("postgres", database=database)
        way = owner if self.pooler is None else self.pooler.to(owner)
        storage = self.folder / "storage"
        storage.mkdir(exist_ok=True)
        return Connections(
            migrator=owner,
            app_api=login_url(way, "app_api", self._passwords["app_api"]),
            app_worker=login_url(way, "app_worker", self._passwords["app_worker"]),
            storage=storage.as_uri(),
            issuer=issuer,
            queue=None if self.queue_server is None else self.queue_server.url,
            mail=None if self.mailbox is None else self.mailbox.url,
            admin=admin,
        )

    def _start_pooler(self) -> Pooler:
        assert program() is not None, f"{POOLER} is set, and this machine has no pgbouncer"
        owner = self.postgres.url()
        logins = {OWNER: str(make_url(owner).password), **self._passwords}
        running = pooled(self.folder, owner, logins, POOLED_CONNECTIONS, layout.POOLER)
        return self._stack.enter_context(running)

    def _start_issuer(self) -> str:
        port = free_port()
        log = self.folder / "issuer.log"
        with log.open("wb") as output:
            issuer = processes.start(
                [
                    *(sys.executable, "-m", "app.dev.issuer"),
                    *("--port", str(port), "--dev-dir", str(self.folder)),
                ],
                env={**os.environ, "ENVIRONMENT": "test"},
                output=output,
                cwd=BACKEND,
            )
        self._stack.callback(processes.stop, issuer, (signal.SIGTERM, 10.0))
        url = f"http://{LOOPBACK}:{port}{provider.ISSUER_PATH}"
        keys = f"{url}/.well-known/jwks.json"
        assert processes.wait_until(lambda: answers(keys), _SECONDS), last_lines(log)
        return url


def _name_of(connections: Connections) -> str:
    """The name of the database."""
    return str(make_url(connections.migrator).database)
