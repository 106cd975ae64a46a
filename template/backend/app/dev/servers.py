"""The servers that development needs, embedded or your own, and the settings that lead to them."""

import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from dotenv import dotenv_values

from app.choices import host
from app.dev import processes
from app.dev.choices import mail, provider, queue, web
from app.dev.environment import DEV_DIR, REPOSITORY, require_development, setting
from app.dev.postgres import Postgres
from app.dev.processes import LOOPBACK, DevelopmentError, free_port, last_lines, port_is_free
from app.dev.queues import Place, QueueServer
from app.dev.state import AlreadyRunning, Ports, Processes, Runtime, exclusive
from app.dev.web import sign_in

BACKEND = REPOSITORY / "backend"

# What the composed settings replace: a process gets its own login's URL and no other.
_COMPOSED = frozenset(
    {
        *("DATABASE_URL", "LISTEN_DATABASE_URL", "MIGRATION_DATABASE_URL", "STORAGE_URL"),
        queue.SETTING,
    }
)
_IS_COMPOSED = "APP_DEV_ENVIRONMENT"
_EMBEDDED = "embedded"
_QUEUE_PASSWORD = "DEV_QUEUE_PASSWORD"  # noqa: S105  # a name
_EXTERNAL = "external"
_ISSUER_SECONDS = 30.0
_WAIT_FOR_OTHERS = 60.0


def configured() -> dict[str, str]:
    """Return what is set in `.env` and the environment, which wins; empty means not set."""
    values = {**dotenv_values(REPOSITORY / ".env"), **os.environ}
    return {name: value for name, value in values.items() if value}


def project_name() -> str:
    """Return the project's slug: the name of the package that is installed for this repository."""
    text = (BACKEND / "pyproject.toml").read_text()
    return str(tomllib.loads(text)["project"]["name"])


def login_url(url: str, login: str, password: str) -> str:
    """Return the same database's URL for another login."""
    parts = urlsplit(url)
    user, _, address = parts.netloc.rpartition("@")
    login = host.login_as(login, user.partition(":")[0])
    return urlunsplit(parts._replace(netloc=f"{login}:{quote(password, safe='')}@{address}"))


@dataclass(frozen=True)
class Connections:
    """Where everything is. `admin` is the superuser, and only of the embedded Postgres; `queue` is
    the address of the queue's server, if it has one; `mail` that of the server that keeps mails.
    """  # noqa: D205

    migrator: str
    app_api: str
    app_worker: str
    storage: str
    issuer: str
    queue: str | None = None
    admin: str | None = None
    mail: str | None = None

    def urls(self) -> dict[str, str]:
        """Return every URL by name."""
        names = ("admin", "migrator", "app_api", "app_worker", "queue", "storage", "issuer")
        return {name: url for name in names if (url := getattr(self, name)) is not None}

    def for_api(self) -> dict[str, str]:
        """The API's settings: its own login, and no way to the others'."""
        return self._common(**self._ways("app_api", self.app_api))

    def for_worker(self) -> dict[str, str]:
        """The worker's settings: its own login, and no way to the others'."""
        return self._common(**self._ways("app_worker", self.app_worker))

    def for_operator(self) -> dict[str, str]:
        """What `app migrate`, `app doctor` and the like need."""
        ways = self._ways("app_worker", self.app_worker)
        return self._common(**ways, MIGRATION_DATABASE_URL=self.migrator)

    def _ways(self, login: str, url: str) -> dict[str, str]:
        """Where a login's transactions go; and where else it listens, if a pooler is in between.

        Whoever migrates goes past poolers, so that is the way for whoever listens, too.
        """
        direct = login_url(self.migrator, login, unquote(urlsplit(url).password or ""))
        return {"DATABASE_URL": url} | ({} if direct == url else {"LISTEN_DATABASE_URL": direct})

    def _common(self, **database: str) -> dict[str, str]:
        return {
            **({queue.SETTING: self.queue} if queue.SETTING and self.queue else {}),
            "STORAGE_URL": self.storage,
            "AUTH_ISSUER": self.issuer,
            **{name: setting(name, value) for name, value in provider.SETTINGS.items()},
            **{name: setting(name, value) for name, value in mail.settings(self.mail).items()},
            **{name: setting(name, value) for name, value in web.SETTINGS.items()},
            _IS_COMPOSED: _EMBEDDED if self.admin else _EXTERNAL,
            **database,
        }


def process_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with the composed settings in the place of its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in _COMPOSED}
    if settings.get(_IS_COMPOSED) == _EMBEDDED:
        # PGOPTIONS, PGSSLMODE and the like are meant for another Postgres; libpq would obey them.
        inherited = {name: value for name, value in inherited.items() if name[:2] != "PG"}
    return {**inherited, "PYTHONUNBUFFERED": "1", **settings}


@dataclass
class Servers:
    """The servers of one run. Each is started unless the settings name one that runs elsewhere."""

    dev_dir: Path
    settings: Mapping[str, str]
    started: Processes
    postgres: Postgres | None = None
    queue: QueueServer | None = None
    issuer: subprocess.Popen[bytes] | None = None
    mailbox: mail.Mailbox | None = None
    notes: list[str] = field(default_factory=list)
    sign_in: Mapping[str, str] = field(default_factory=dict)
    _issuer_url: str = ""

    def launch(self) -> None:
        """Start all of them at once; the slowest one decides when `connect` returns."""
        ports = Ports(self.dev_dir)
        logs = self.dev_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        if queue.SETTING not in self.settings:
            self._launch_queue(Place(self.dev_dir, logs, self._secret(_QUEUE_PASSWORD), ports.last))
        if "DATABASE_URL" not in self.settings:
            self.postgres = Postgres(
                self.dev_dir / "postgres",
                name=project_name(),
                password=self._secret("DEV_DATABASE_PASSWORD"),
                log=logs / "postgres.log",
                port=ports.last("postgres"),
            )
            self.postgres.launch()
        self._launch_issuer(logs / "issuer.log")
        if "EMAIL_URL" not in self.settings:
            self.mailbox = mail.launch(self.dev_dir, logs / "mail.log", ports.last)
        if self.mailbox is not None:
            self.started.add(self.mailbox.process.pid)

    def connect(self) -> Connections:
        """Wait until every server answers and return where they are."""
        ports = Ports(self.dev_dir)
        if self.postgres is not None:
            self.postgres.wait_ready()
            ports.remember(postgres=self.postgres.port)
        if self.queue is not None:
            self.queue.server.wait_ready()
            self.started.add(self.queue.server.pid)
            ports.remember(**{self.queue.name: self.queue.server.port})
        self._wait_for_issuer()
        if self.mailbox is not None:
            self.mailbox.wait_ready()
            ports.remember(mail=self.mailbox.port, smtp=self.mailbox.smtp_port)
        owner = self.postgres.url() if self.postgres else self.settings["DATABASE_URL"]
        if self.postgres is None:
            self.notes.append(
                "DATABASE_URL is set: the API and the worker log in to that database as app_api "
                "and app_worker. It is migrated there too, unless MIGRATION_DATABASE_URL is set"
            )
        return Connections(
            admin=self.postgres.admin_url if self.postgres else None,
            migrator=self.settings.get("MIGRATION_DATABASE_URL", owner)
            if self.postgres is None
            else owner,
            app_api=login_url(owner, "app_api", self._secret("APP_API_PASSWORD")),
            app_worker=login_url(owner, "app_worker", self._secret("APP_WORKER_PASSWORD")),
            storage=self.settings.get("STORAGE_URL") or self._own_storage(),
            issuer=self._issuer_url,
            queue=self.queue.server.url if self.queue else self.settings.get(str(queue.SETTING)),
            mail=self.mailbox.url if self.mailbox else None,
        )

    def stop(self) -> None:
        """Stop what was started, the database last."""
        if self.issuer is not None:
            processes.stop(self.issuer, (signal.SIGTERM, 5.0))
        if self.mailbox is not None:
            self.mailbox.stop()
        if self.queue is not None:
            self.queue.server.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def running(self) -> dict[str, subprocess.Popen[bytes]]:
        """Return the processes of the servers that were started, by name."""
        found = {
            "postgres": self.postgres.process if self.postgres else None,
            "issuer": self.issuer,
            "mail": self.mailbox.process if self.mailbox else None,
        }
        if self.queue is not None:
            found[self.queue.name] = self.queue.server.process
        return {name: process for name, process in found.items() if process is not None}

    def _launch_queue(self, place: Place) -> None:
        self.queue = queue.server(place)
        if self.queue is None:
            return
        self.queue.server.launch()
        self.started.add(self.queue.server.pid)
        if self.queue.note is not None:
            self.notes.append(self.queue.note)

    def _secret(self, name: str) -> str:
        if name not in self.settings:
            raise DevelopmentError(f"{name} is not set. `make setup` adds it to .env.")
        return self.settings[name]

    def _own_storage(self) -> str:
        folder = self.dev_dir / "storage"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder.absolute().as_uri()

    def _launch_issuer(self, log: Path) -> None:
        if "AUTH_ISSUER" in self.settings:
            self._issuer_url = self.settings["AUTH_ISSUER"]
            self.notes.append(f"AUTH_ISSUER is set: tokens come from {self._issuer_url}")
            return
        from app.dev.issuer_key import remembered_port  # 0.2 s, while the servers start

        port = remembered_port(self.dev_dir)
        if port is None or not port_is_free(port):
            port = free_port()
        self._issuer_url = f"http://{LOOPBACK}:{port}{provider.ISSUER_PATH}"
        self.sign_in = sign_in(f"http://{LOOPBACK}:{port}")
        with log.open("ab") as output:
            self.issuer = processes.start(
                [
                    *(sys.executable, "-m", "app.dev.issuer"),
                    *("--port", str(port), "--dev-dir", self.dev_dir),
                ],
                env=process_environment(self.sign_in),
                output=output,
                cwd=BACKEND,
            )
        self.started.add(self.issuer.pid)

    def _wait_for_issuer(self) -> None:
        issuer = self.issuer
        if issuer is None:
            return
        keys = f"{self._issuer_url}/.well-known/jwks.json"
        if not processes.wait_until(
            lambda: issuer.poll() is not None or answers(keys), _ISSUER_SECONDS
        ) or (issuer.poll() is not None):
            log = self.dev_dir / "logs" / "issuer.log"
            raise DevelopmentError(
                f"The token issuer does not start. The end of {log}:\n{last_lines(log)}"
            )


def answers(url: str) -> bool:
    """Whether a GET of this loopback URL is answered with 200."""
    # Without a handler for it, a proxy in the environment would be asked for our own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5.0) as response:
            return bool(response.status == 200)  # noqa: PLR2004
    except (OSError, ValueError):
        return False


@contextmanager
def dev_environment(dev_dir: Path = DEV_DIR) -> Iterator[None]:
    """Give a one-shot command the settings of the development environment.

    The servers of a running `make dev` are used; without one, servers run for as long as the
    command does. Where the environment is not a developer's machine, nothing is changed. Enter
    this before the settings are read.

    Raises:
        DevelopmentError: The servers do not start.
    """
    if os.environ.get(_IS_COMPOSED) or not is_development():
        yield
        return
    with ExitStack() as stack:
        saved = dict(os.environ)
        environment = _join_or_start(dev_dir, stack)
        os.environ.clear()
        os.environ.update(environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(saved)


def is_development() -> bool:
    """Whether ENVIRONMENT names a developer's machine or a test."""
    try:
        require_development("This")
    except DevelopmentError:
        return False
    return True


def _join_or_start(dev_dir: Path, stack: ExitStack) -> dict[str, str]:
    deadline = time.monotonic() + _WAIT_FOR_OTHERS
    while time.monotonic() < deadline:
        runtime = Runtime.read(dev_dir)
        if runtime is not None:
            return process_environment(runtime.environment)
        try:
            stack.enter_context(exclusive(dev_dir))
        except AlreadyRunning:
            # Another start, or another command with servers of its own: it will be over soon.
            time.sleep(processes.POLL_SECONDS)
            continue
        started = Processes(dev_dir)
        started.stop_leftovers()
        servers = Servers(dev_dir, configured(), started)
        stack.callback(started.clear)
        stack.callback(servers.stop)
        servers.launch()
        return process_environment(servers.connect().for_operator())
    raise DevelopmentError(
        f"Another command has been using the servers in {dev_dir} for {_WAIT_FOR_OTHERS:.0f} "
        "seconds. Wait for it, or end it."
    )
