"""Driving a generated repository from outside: its make targets, its HTTP, its WebSocket.

What the product cannot tell about itself (is a process left, is there a row too many) is looked up
in /proc and in the database, as its superuser.
"""

import base64
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import UUID

import httpx
import psycopg
from websockets.sync.client import ClientConnection, connect

from rendering import Answers, clean_environment
from workspace import Workspace

T = TypeVar("T")

API = "/api/v1"

_MINT = """
import json, sys
from app.dev.tokens import mint
for wanted in json.load(sys.stdin):
    print(mint(**wanted))
"""

START_SECONDS = 120.0
"""A first start makes a database cluster, on a machine that may be doing much else."""

STOP_SECONDS = 60.0
IMPORT_SECONDS = 180.0


def until(
    condition: Callable[[], T | None], what: str, seconds: float = 30.0, *, every: float = 0.02
) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it did not come true; says what was waited for, and the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s, but {answer!r}"
        time.sleep(every)


def typed(command: Sequence[str | Path], folder: Path, **settings: str) -> str:
    """Run a command in a folder and return its standard output.

    Raises:
        AssertionError: it failed; says everything that the command did.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(**settings),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Ended(NamedTuple):
    """How `make dev` came to its end."""

    code: int
    said: str


class Product:
    """A generated repository and, most of the time, its `make dev`."""

    def __init__(
        self, repository: Path, answers: Answers, workspace: Workspace | None = None
    ) -> None:
        self.repository = repository
        self.answers = answers
        self.output = repository.with_suffix(".out")
        self._workspace = workspace or Workspace(repository)
        self._port = free_port()
        self._web_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._settings: Mapping[str, str] = {}
        # As production serves it, by the last build.
        self._web = {"WEB": "built"} if self.has_front_end else {}
        self._tokens: dict[tuple[str, str, str, int], str] = {}
        self._fresh: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._host: Host | None = None
        self._connections = ExitStack()

    # --- What its owner types ---

    def make(self, *arguments: str, **settings: str) -> str:
        """Run make and return its standard output; a failure shows everything that it said."""
        done = self.try_make(*arguments, **settings)
        assert done.returncode == 0, f"make {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def try_make(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=self.repository,
            env=clean_environment(**settings),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def app(self, *arguments: str) -> str:
        """Run `uv run app …` as an operator of the running product does."""
        command = ["uv", "run", "app", *arguments]
        return typed(command, self.repository / "backend", **self.runtime()["environment"])

    def app_offline(self, *arguments: str) -> str:
        """Run `app …` while the product does not run, on servers that are started for it."""
        backend = self.repository / "backend"
        return typed([backend / ".venv/bin/app", *arguments], backend)

    def npm(self, *arguments: str) -> str:
        """Run npm for the front end, with the Node that the repository runs it with."""
        command = ["sh", "../scripts/node.sh", "npm", *arguments]
        return typed(command, self.repository / "frontend")

    # --- Running ---

    def running(self, **settings: str) -> "Product":
        """See to it that `make dev` runs with these settings on top of the repository's own."""
        if self.is_running:
            if settings == self._settings:
                return self
            self.stop()
        self.start(**settings)
        return self

    @property
    def is_running(self) -> bool:
        """Whether `make dev` has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self, **settings: str) -> str:
        """Type `make dev`, wait for the line that begins with `ready`, and return that line."""
        assert not self.is_running, "it runs already"
        self._settings = settings
        if self._web:
            self._workspace.once("build", lambda: self.npm("run", "build"))
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                ["make", "dev"],
                cwd=self.repository,
                env=clean_environment(
                    API_PORT=str(self._port),
                    WEB_PORT=str(self._web_port),
                    **self._web,
                    **(self._host.settings if self._host else {}),
                    **settings,
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._is_ready_or_over, "a line that begins with ready", START_SECONDS)
        ready = self._ready_line()
        assert ready, f"make dev ended with {self._process.returncode}:\n{self.said()}"
        return ready

    @contextmanager
    def hosted(self, programs: Path | None) -> Iterator["Host"]:
        """Have the product's database where it is in production, as far as one machine can.

        Args:
            programs: The folder of the Postgres to take; None for the embedded one.
        """
        if self.is_running:
            self.stop()
        with _host(self.repository, programs) as self._host:
            try:
                yield self._host
            finally:
                if self.is_running:
                    self.stop()
        self._host = None

    def stop(self) -> Ended:
        """Press Ctrl-C: the terminal sends SIGINT to everything in the foreground."""
        assert self._process is not None, "it does not run"
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        return self.ended()

    def ended(self) -> Ended:
        """Wait for `make dev` to come to its end."""
        assert self._process is not None, "it does not run"
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"make dev has not ended after {STOP_SECONDS:g} s:\n{self.said()}"
            ) from None
        return Ended(code, self.said())

    def said(self) -> str:
        """What this run of `make dev` has printed so far."""
        return self.output.read_text(errors="replace")

    def abandon(self) -> None:
        """End whatever still runs, at the end of the tests."""
        self._connections.close()
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STOP_SECONDS)

    def _is_ready_or_over(self) -> bool:
        over = self._process is None or self._process.poll() is not None
        return over or self._ready_line() is not None

    def _ready_line(self) -> str | None:
        found = re.search(r"^ready\b.*$", self.said(), re.MULTILINE)
        return found[0] if found else None

    @property
    def url(self) -> str:
        """The API's address, from the line that a user reads it from."""
        found = re.search(r"https?://[^\s/]+", self._ready_line() or "")
        assert found, f"the line has no URL: {self._ready_line()}"
        return found[0]

    @property
    def web_url(self) -> str:
        """The front end's address, which follows the API's in that line."""
        return (self._ready_line() or "").split()[2]

    # --- Its processes ---

    def runtime(self) -> dict[str, Any]:
        """What the running `make dev` says about its parts."""
        loaded: dict[str, Any] = json.loads((self.repository / ".dev/runtime.json").read_text())
        return loaded

    def pid(self, part: str) -> int:
        """The process id of a part: api, worker, postgres, …"""
        return int(self.runtime()["pids"][part])

    def environment(self, part: str) -> dict[str, str]:
        """What a part was started with."""
        told = Path(f"/proc/{self.pid(part)}/environ").read_text().split("\0")
        return dict(setting.split("=", 1) for setting in told if setting)

    def processes(self) -> list["Found"]:
        """Every process that has to do with the repository, whoever is its parent now.

        The host's own are none of its.
        """
        return [
            found
            for entry in Path("/proc").glob("[0-9]*")
            if (found := _look_at(entry, str(self.repository))) is not None
            and not (self._host and self._host.runs(found.pid))
        ]

    # --- Its data ---

    def sql(
        self,
        query: str,
        *parameters: object,
        login: str = "admin",
        schema: str = "public",
        tenant: str | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run a statement as one of its logins and return the rows.

        Args:
            query: The statement, with its parameters behind it.
            login: Whose URL.
            schema: Where names without a schema are looked up.
            tenant: In whose database, where tenants have databases of their own.
        """
        url = self.database_url(login, tenant)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"set search_path = {schema}".encode())
            cursor = connection.execute(query.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def database_url(self, login: str, tenant: str | None = None) -> str:
        """A login's URL: of the product's database, or of the tenant's, if tenants have any."""
        url = (self._host.urls if self._host else self.runtime()["urls"])[login]
        if tenant is None or self.answers["tenancy_model"] != "databases":
            return url
        query = "select database from tenant_databases where id = %s"
        ((database,),) = self.sql(query, tenant)
        return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))

    def stored_files(self) -> set[str]:
        """What lies in its object storage."""
        folder = Path(unquote(urlsplit(self.runtime()["urls"]["storage"]).path))
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    # --- Its users ---

    @property
    def has_front_end(self) -> bool:
        """Whether it has pages of its own."""
        return self.answers["frontend"] != "none"

    @property
    def has_organizations(self) -> bool:
        """Whether tenants are organizations; otherwise every person is a tenant of their own."""
        return self.answers["tenancy_model"] != "users"

    @property
    def enter(self) -> str:
        """The function that opens a transaction in the name of a tenant."""
        return "app.enter_schema" if self.answers["tenancy_model"] == "schemas" else "app.enter"

    @property
    def tenant_column(self) -> str:
        """The column of the features' tables that says whose a row is."""
        return "org_id" if self.has_organizations else "user_id"

    def token(self, user: str, org: str, role: str = "admin", ttl: int = 3600) -> str:
        """A development token, as the repository's own command line makes it."""
        wanted = (user, org, role, ttl)
        if wanted not in self._tokens:
            self._mint([wanted])
        return self._tokens[wanted]

    def _mint(self, wanted: list[tuple[str, str, str, int]]) -> None:
        """Several at once, as most of the command's time is its start."""
        minted = subprocess.run(
            [self.repository / "backend/.venv/bin/python", "-c", _MINT],
            cwd=self.repository / "backend",
            env=clean_environment(),
            check=True,
            input=json.dumps(
                [
                    {"user": user, "ttl": ttl}
                    | ({"org": org, "role": role} if self.has_organizations else {})
                    for user, org, role, ttl in wanted
                ]
            ),
            capture_output=True,
            text=True,
        ).stdout.split()
        self._tokens |= zip(wanted, minted, strict=True)

    def _new_tenant(self, user: str, role: str) -> tuple[str, str]:
        """A user and the name of a tenant that nobody has been in, with a token that is made."""
        fresh = self._fresh.setdefault((user, role), [])
        if not fresh:
            for _ in range(20):
                tenant = f"{user}-{secrets.token_hex(4)}"
                fresh.append((user if self.has_organizations else tenant, tenant))
            self._mint([(person, tenant, role, 3600) for person, tenant in fresh])
        return fresh.pop()

    def sign_in(self, user: str = "u1", tenant: str | None = None, role: str = "admin") -> "Client":
        """Someone who uses the product; without `tenant`, of a tenant that is new.

        Where there are organizations, `tenant` is one, and others may be in it already.
        """
        if tenant is None:
            user, tenant = self._new_tenant(user, role)
        client = Client(self, tenant, self.token(user, tenant, role))
        # Where a tenant gets a place of its own, that takes a moment.
        until(
            lambda: client.http.get(f"{API}/me").status_code != httpx.codes.SERVICE_UNAVAILABLE,
            "a place",
        )
        return client

    def anonymous(self) -> httpx.Client:
        """Someone who is not signed in."""
        http = httpx.Client(base_url=self.url, trust_env=False, timeout=60.0)
        return self._connections.enter_context(http)


@dataclass(frozen=True)
class Host:
    """Postgres as the product's host lays it out, and a pooler in transaction mode before it.

    Attributes:
        settings: How `make dev` is told of both.
        urls: The addresses of its logins that lead to Postgres itself.
        pooler: Those that lead through the pooler.
        pid: The process that runs both.
    """

    settings: Mapping[str, str]
    urls: Mapping[str, str]
    pooler: Mapping[str, str]
    pid: int

    def show(self, what: str) -> list[dict[str, Any]]:
        """What the pooler's console says: https://www.pgbouncer.org/usage.html#admin-console."""
        console = urlunsplit(urlsplit(self.pooler["migrator"])._replace(path="/pgbouncer"))
        with psycopg.connect(console, autocommit=True) as connection:
            cursor = connection.execute(f"show {what}".encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def runs(self, pid: int) -> bool:
        """Whether a process is this one's, or a descendant's."""
        while pid > 1 and pid != self.pid:
            try:
                state = Path(f"/proc/{pid}/stat").read_text()
            except OSError:  # it has ended
                return False
            pid = int(state.rpartition(")")[2].split()[1])
        return pid == self.pid


@contextmanager
def _host(repository: Path, programs: Path | None) -> Iterator[Host]:
    """Run what stands for the host until the block ends."""
    # Beside the repository: whoever runs the servers has to reach it.
    folder = repository.parent / "hosted"
    folder.mkdir(exist_ok=True)
    backend = repository / "backend"
    words: list[str | Path] = ["-m", "tests.hosted", folder]
    if programs is not None:
        words += ["--programs", programs]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [backend / ".venv/bin/python", *words],
            cwd=backend,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"there is no host:\n{(folder / 'log').read_text()}"
            yield Host(**json.loads(line), pid=process.pid)
            assert process.poll() is None, f"the host has ended:\n{(folder / 'log').read_text()}"
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
            shutil.rmtree(folder)


class Client:
    """Someone who is signed in, and the name of their tenant."""

    def __init__(self, product: Product, tenant: str, token: str) -> None:
        self.product = product
        self.tenant = tenant
        self.token = token
        self.http = product.anonymous()
        self.http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of a successful GET below /api/v1."""
        answer = self.http.get(API + path, params=parameters)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def add_contact(self, **fields: str) -> dict[str, Any]:
        fields = {"name": "Ada", "email": f"{secrets.token_hex(4)}@example.com"} | fields
        answer = self.http.post(f"{API}/contacts", json=fields)
        assert answer.status_code == 201, answer.text
        added: dict[str, Any] = answer.json()
        return added

    def everything(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """The items of every page, first to last."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(path, **parameters)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            parameters["cursor"] = page["next_cursor"]

    def upload(
        self, content: Path | bytes, *, key: str | None = None, request_id: str | None = None
    ) -> httpx.Response:
        """Send a CSV, whatever the answer is."""
        headers = {
            name: value
            for name, value in {"Idempotency-Key": key, "X-Request-ID": request_id}.items()
            if value is not None
        }
        if isinstance(content, bytes):
            return self.http.post(
                f"{API}/imports", files={"file": ("people.csv", content)}, headers=headers
            )
        with content.open("rb") as file:
            return self.http.post(
                f"{API}/imports", files={"file": (content.name, file)}, headers=headers
            )

    def start_import(self, content: Path | bytes, **options: str) -> str:
        """Send a CSV that is accepted, and return the import's id."""
        answer = self.upload(content, **options)
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "queued"
        return str(answer.json()["id"])

    def import_ended(self, import_id: str, seconds: float = IMPORT_SECONDS) -> dict[str, Any]:
        """Wait until an import has succeeded or failed, and return it."""
        seen: dict[str, Any] = {}

        def ended() -> bool:
            seen.update(self.get(f"/imports/{import_id}"))
            return seen["status"] in {"succeeded", "failed"}

        try:
            until(ended, "the import's end", seconds, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; the import is {seen}") from None
        return seen

    def rejected_rows(self, import_id: str) -> str:
        """The rejected rows as the CSV that a user downloads."""
        answer = self.http.get(f"{API}/imports/{import_id}/rejected.csv")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/csv")
        return answer.text

    @property
    def home(self) -> str:
        """The schema of the tenant's tables."""
        if self.product.answers["tenancy_model"] == "schemas":
            return f"tenant_{UUID(self.tenant_id).hex}"
        return "public"

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as the administrator, where the tenant's tables are."""
        return self.product.sql(query, *parameters, schema=self.home, tenant=self.tenant_id)

    @cached_property
    def tenant_id(self) -> str:
        me = self.get("/me")
        return str(me["organization" if self.product.has_organizations else "user"]["id"])

    # --- WebSocket ---

    def ticket(self) -> str:
        answer = self.http.post(f"{API}/realtime/tickets")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    @contextmanager
    def listening(self, after: str | None = None) -> Iterator[ClientConnection]:
        """An open WebSocket that has been greeted, so that it misses nothing from now on."""
        with open_socket(self.product, self.ticket(), after) as socket_:
            hello = receive(socket_)
            assert hello["type"] == "hello", hello
            yield socket_


def open_socket(product: Product, ticket: str, after: str | None = None) -> ClientConnection:
    """Connect with a ticket, and say which event was the last one seen."""
    parameters = {"ticket": ticket} | ({"last_event_id": after} if after else {})
    url = httpx.URL(f"{product.url}{API}/realtime", params=parameters)
    return connect(
        str(url).replace("http", "ws", 1), proxy=None, compression=None, open_timeout=10.0
    )


def receive(socket_: ClientConnection, seconds: float = 30.0) -> dict[str, Any]:
    """The next message of a WebSocket."""
    message: dict[str, Any] = json.loads(socket_.recv(timeout=seconds))
    assert set(message) == {"id", "type", "data"}, message
    return message


def progress_of(socket_: ClientConnection, import_id: str) -> Iterator[dict[str, Any]]:
    """The events of one import as they arrive, up to the one that ends it."""
    while True:
        event = receive(socket_, IMPORT_SECONDS)
        if event["type"] != "import.progress" or event["data"]["import_id"] != import_id:
            continue
        yield event
        if event["data"]["status"] in {"succeeded", "failed"}:
            return


def problem(answer: httpx.Response, status: int) -> str:
    """Check that an answer is a problem of this status, and return its detail."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["request_id"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return str(body["detail"])


class Found(NamedTuple):
    """A running process."""

    pid: int
    command: str


def _look_at(entry: Path, repository: str) -> Found | None:
    """The process, if it works in the repository or was started for it."""
    try:
        state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        traces = [
            command,
            str((entry / "cwd").readlink()),
            (entry / "environ").read_text("latin-1"),
        ]
    except OSError:  # it has ended, or is someone else's
        return None
    if state == "Z" or not any(repository in trace for trace in traces):
        return None
    return Found(int(entry.name), command)


def memory_peak(pid: int) -> int:
    """The most memory that a process ever held, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, "the kernel does not say"
    return int(found[1]) * 1024


def forget_memory_peak(pid: int) -> None:
    """Let the peak be measured from now on: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def free_port() -> int:
    """A port that nobody listens on now, and that no system hands out to who does not ask for it.

    What starts on it may take its time, while others connect and take whatever port is free.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as candidate, suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port


# Below what Linux (32768 and up) and macOS (49152 and up) choose from.
_PORTS = range(20_000, 32_000)


def claims_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a token, unverified."""
    header, claims, _ = token.split(".")
    return _decoded(header), _decoded(claims)


def _decoded(part: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


if sys.platform != "linux":
    raise RuntimeError("what is left of a process can only be looked up on Linux, in /proc")
