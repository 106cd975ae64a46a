"""The generated repository that is measured: rendered, set up, started and stopped."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from worktree import snapshot

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = Path(__file__).resolve().parent

_READY_SECONDS = 300.0
_STOP_SECONDS = 60.0

# What a shell, make or a virtual environment may have set about something else.
_FOREIGN = (
    *("MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "GIT_", "PG", "ONLY"),
    *("DATABASE_", "LISTEN_DATABASE_", "MIGRATION_DATABASE_", "READ_DATABASE_"),
    *("REDIS_", "BROKER_", "STORAGE_", "AUTH_", "API_PORT", "WEB", "DEV_SIGN_IN_"),
)


def environment(**extra: str) -> dict[str, str]:
    """A user's environment; the template's tools come last on PATH, as if they were installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    kept["PATH"] = f"{kept['PATH']}{os.pathsep}{ROOT / '.venv/bin'}"
    return kept | extra


def render(folder: Path, name: str, **answers: str) -> Path:
    """Render the template's working tree, as `copier copy` does: with defaults, and answers."""
    source = folder / "template"
    if not source.exists():
        snapshot(source)
    copier = [sys.executable, "-m", "copier", "copy", "--defaults", "--skip-tasks", "--quiet"]
    copier += [word for name_, value in answers.items() for word in ("-d", f"{name_}={value}")]
    subprocess.run([*copier, str(source), str(folder / name)], check=True, env=environment())
    return folder / name


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        port: int = candidate.getsockname()[1]
        return port


class Product:
    """A generated repository and its `make dev`.

    Args:
        repository: Its folder; outside of it nothing is written.
        say: Is told what takes long.
    """

    def __init__(self, repository: Path, say: Callable[[str], None]) -> None:
        self.repository = repository
        self.say = say
        self.python = repository / "backend/.venv/bin/python"
        self._port = free_port()
        self._web_port = free_port()
        self._dev: subprocess.Popen[bytes] | None = None

    def set_up(self) -> None:
        """Install what it needs, into a virtual environment of its own."""
        subprocess.run(
            ["make", "setup"],
            cwd=self.repository,
            env=environment(),
            check=True,
            stdout=sys.stderr,
        )

    def versions(self) -> str:
        """The versions of what matters to speed."""
        names = ("fastapi", "uvicorn", "sqlalchemy", "psycopg", "pydantic", "bullmq")
        code = (
            "import sys, importlib.metadata as m; "
            "print('Python', sys.version.split()[0], "
            f"*(f'{{n}} {{m.version(n)}}' for n in {names}), sep=', ')"
        )
        done = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True)
        return done.stdout.strip().replace("Python, ", "Python ", 1)

    # --- make dev ---

    def start(self, web: str = "none") -> float:
        """Run `make dev` until it prints `ready`; return how many seconds that took.

        Args:
            web: How the front end runs, as WEB has it; unless it is measured, it only disturbs.
        """
        output = self.repository.parent / "dev.out"
        began = time.monotonic()
        with output.open("wb") as file:
            self._dev = subprocess.Popen(
                ["make", "dev"],
                cwd=self.repository,
                env=environment(API_PORT=str(self._port), WEB=web, WEB_PORT=str(self._web_port)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while not re.search(r"^ready ", output.read_text(errors="replace"), re.MULTILINE):
            if self._dev.poll() is not None or time.monotonic() - began > _READY_SECONDS:
                raise SystemExit(f"`make dev` did not become ready:\n{output.read_text()}")
            time.sleep(0.005)
        return time.monotonic() - began

    def stop(self) -> None:
        """Press Ctrl-C, if it runs, and wait for the end."""
        if self._dev is None:
            return
        if self._dev.poll() is None:
            os.killpg(self._dev.pid, signal.SIGINT)
        self._dev.wait(_STOP_SECONDS)
        self._dev = None

    def start_fresh(self, web: str = "none") -> float:
        """Start on empty databases; return how many seconds that took."""
        self.stop()
        shutil.rmtree(self.repository / ".dev", ignore_errors=True)
        return self.start(web)

    def runtime(self) -> dict[str, Any]:
        """What the running `make dev` says about its parts: urls, pids, environment."""
        loaded: dict[str, Any] = json.loads((self.repository / ".dev/runtime.json").read_text())
        return loaded

    @property
    def api(self) -> str:
        """The URL of the API that `make dev` runs."""
        return str(self.runtime()["urls"]["api"])

    def connect(self, login: str = "admin") -> psycopg.Connection:
        """A connection to its database, as the superuser or another of its logins."""
        return psycopg.connect(self.runtime()["urls"][login], autocommit=True)

    def token(self, user: str, org: str) -> str:
        """A token that outlives the benchmark, for an administrator."""
        words = ["--user", user, "--org", org, "--role", "admin", "--ttl", "36000"]
        done = subprocess.run(
            [self.python, "-m", "app.cli", "token", *words],
            cwd=self.repository / "backend",
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def run_script(self, name: str, *arguments: str, job: object = None, **settings: str) -> Any:
        """Run a script of this folder with the product's own Python; the JSON that it prints.

        Args:
            name: The script's file.
            arguments: Words for its command line.
            job: What it reads, as JSON, on its standard input.
            settings: Further variables of its environment.
        """
        backend = self.repository / "backend"
        done = subprocess.run(
            [self.python, BENCHMARKS / name, *arguments],
            cwd=backend,
            env=environment(**settings, PYTHONPATH=str(backend)),
            input=json.dumps(job),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return json.loads(done.stdout)

    # --- An API of our own beside it ---

    def measured_api(
        self, database_url: str | None = None
    ) -> AbstractContextManager[tuple[str, int]]:
        """An API process with GET /hello in addition, logging as production does.

        Args:
            database_url: Another way to the same database, through a proxy.

        Returns:
            What starts it, gives its URL and its process id, and stops it.
        """
        runtime = self.runtime()
        settings: Mapping[str, str] = {
            **runtime["environment"],
            "DATABASE_URL": database_url or runtime["urls"]["app_api"],
            # JSON logs, and the development issuer is still believed.
            "ENVIRONMENT": "test",
            # Counted as ever, and never reached.
            "RATE_LIMIT_PER_PRINCIPAL": "1000000000/minute",
            "RATE_LIMIT_PER_ADDRESS": "1000000000/minute",
        }
        settings = {name: v for name, v in settings.items() if name != "MIGRATION_DATABASE_URL"}
        return self._serve("hello_api.py", settings, "/readyz")

    def bare_api(self) -> AbstractContextManager[tuple[str, int]]:
        """FastAPI alone with the same GET /hello, served the same way."""
        return self._serve("bare_api.py", {}, "/hello")

    @contextmanager
    def _serve(
        self, script: str, settings: Mapping[str, str], ready: str
    ) -> Iterator[tuple[str, int]]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        log = self.repository.parent / f"{script}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, BENCHMARKS / script, str(port)],
                cwd=self.repository / "backend",
                env=environment(**settings, PYTHONPATH=str(self.repository / "backend")),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + _READY_SECONDS
            while not _answers(f"{url}{ready}"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{script} did not start:\n{log.read_text()}")
                time.sleep(0.05)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads, in user and kernel mode.

    The clock's id is made as by `clock_getcpuclockid(3)`; it counts nanoseconds, where
    /proc/PID/stat counts ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory_peak_mb(pid: int) -> float:
    """The most memory that a process ever held, in MB (1,000,000 bytes)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/{pid}/status does not say VmHWM")
    return int(found[1]) * 1024 / 1e6
