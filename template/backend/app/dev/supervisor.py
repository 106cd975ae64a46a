"""What `make dev` runs: the servers, the migrations, the API, a worker and what shows the product
in a browser, until Ctrl-C.

No part outlives another: when one ends, when this process is told to end, and even when it is
killed, all of them end.
"""  # noqa: D205

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from app.choices import tenancy
from app.dev import processes
from app.dev.choices import queue as job_queue
from app.dev.choices import web
from app.dev.console import Console
from app.dev.environment import DEV_DIR, require_development
from app.dev.processes import LOOPBACK, DevelopmentError, ProcessIdentity, last_lines
from app.dev.queues import NoDashboard
from app.dev.servers import (
    BACKEND,
    Connections,
    Servers,
    answers,
    configured,
    process_environment,
)
from app.dev.state import AlreadyRunning, Ports, Processes, Runtime, exclusive
from app.dev.web import FrontEnd, address

DEFAULT_PORT = 8000

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READY_SECONDS = 60.0
_FIRST_PAGE_SECONDS = 180.0
_DRAIN_SECONDS = 30.0
_TOKEN = "make token user=u1"  # noqa: S105  # a command, not a token


class _Told(BaseException):  # like KeyboardInterrupt: no handler on the way keeps it
    """A signal asked us to stop."""


def run(api_port: int | None = None, seed: bool = False, dev_dir: Path = DEV_DIR) -> int:
    """Run the development environment until a signal or the end of one of its parts.

    Args:
        api_port: The API's port; by default API_PORT, else 8000.
        seed: Make demo data for two tenants.
        dev_dir: Where data, logs and state are kept.

    Returns:
        The exit code: 0 after a signal, 1 when something went wrong, which was printed.
    """
    console = Console()
    try:
        require_development("`app dev`")
        port = _port(api_port)
        with _signals(), exclusive(dev_dir):
            _Supervisor(console, port, dev_dir).run(seed=seed)
    except _Told:
        console.line("stopped")
        return 0
    except AlreadyRunning:
        _say(_already_running(dev_dir))
    except DevelopmentError as error:
        _say(str(error))
    return 1


def _port(wanted: int | None) -> int:
    text = str(wanted) if wanted is not None else configured().get("API_PORT", str(DEFAULT_PORT))
    if not text.isdigit() or not 0 < int(text) < 2**16:
        raise DevelopmentError(f"API_PORT must be a port from 1 to 65535, not {text!r}.")
    return int(text)


def _already_running(dev_dir: Path) -> str:
    runtime = Runtime.read(dev_dir)
    if runtime is None:
        return "Another command is using the servers of this repository. Try again when it is done."
    return (
        f"`make dev` already runs here, as process {runtime.supervisor.pid}, with its API at "
        f"{runtime.urls['api']}. Use that one, or stop it first."
    )


def _say(problem: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"error: {problem}\n")


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first signal to stop into an exception; later ones change nothing."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise _Told

    before = {number: signal.signal(number, on_signal) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


class _Supervisor:
    def __init__(self, console: Console, port: int, dev_dir: Path) -> None:
        self._console = console
        self._port = port
        self._web_url: str | None = None
        self._dev_dir = dev_dir
        self._url = f"http://{LOOPBACK}:{port}"
        self._started = Processes(dev_dir)
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._apps: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *, seed: bool) -> None:
        console = self._console
        leftovers = self._started.stop_leftovers()
        if leftovers:
            console.step(f"stopped {leftovers} processes that an earlier run left behind")
        self._require_free(self._port, "the API", "API_PORT")
        front_end = web.front_end(self._url, {})
        if front_end is not None:
            self._require_free(front_end.port, "the front end", "WEB_PORT")
        self._forget_old_logs()
        with ExitStack() as stack:
            try:
                self._run_parts(stack, seed=seed)
            finally:
                _ignore_signals()  # stopping in order must not be cut short

    def _require_free(self, port: int, part: str, variable: str) -> None:
        if not processes.port_is_free(port):
            raise DevelopmentError(
                f"Port {port}, where {part} should listen, is in use by another program. "
                f"Choose another one: make dev {variable}={processes.free_port()}"
            )

    def _run_parts(self, stack: ExitStack, *, seed: bool) -> None:
        console = self._console
        stack.callback(self._started.clear)
        servers = Servers(self._dev_dir, configured(), self._started)
        stack.callback(servers.stop)
        servers.launch()
        connections = servers.connect()
        for note in servers.notes:
            console.step(note)
        console.step(f"servers: {', '.join(servers.running()) or 'all of them yours'}")
        for name, process in servers.running().items():
            self._watch(name, process)

        self._migrate(connections)
        stack.callback(self._stop_apps)
        for name, arguments in tenancy.PROCESSES.items():
            self._start(name, connections.for_operator(), *arguments)
        self._start("worker", connections.for_worker(), "worker")
        self._start("api", connections.for_api(), "api", "--port", str(self._port))
        stack.callback(Runtime.remove, self._dev_dir)
        self._publish(servers, connections, ready=False)
        front_end = web.front_end(self._url, servers.sign_in)
        if front_end is not None:
            self._start_front_end(front_end)
        self._wait_until_ready()
        if seed:
            self._seed(servers)
        if front_end is not None:
            self._wait_for_front_end()
        self._publish(servers, connections, ready=True)
        dashboard = self._start_dashboard(connections, stack)
        self._invite(dashboard, servers.mailbox.page if servers.mailbox else None)
        self._fail(self._ended.get())

    def _forget_old_logs(self) -> None:
        logs = self._dev_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for log in logs.glob("*.log"):
            log.unlink()

    def _migrate(self, connections: Connections) -> None:
        self._complete(
            "migrate",
            [sys.executable, "-m", "app.cli", "migrate"],
            connections.for_operator(),
            BACKEND,
        )
        self._console.step("database migrated")

    def _complete(
        self, name: str, command: Sequence[str], settings: Mapping[str, str], cwd: Path
    ) -> None:
        """Run something to its end."""
        log = self._log(name)
        with log.open("wb") as output:
            process = processes.start(
                command, env=process_environment(settings), output=output, cwd=cwd
            )
        try:
            code = process.wait()
        finally:
            processes.stop(process)
        if code != 0:
            raise DevelopmentError(f"{name} failed. The end of {log}:\n{last_lines(log)}")

    def _start_front_end(self, front_end: FrontEnd) -> None:
        if front_end.build is not None:
            self._console.step("building the front end")
            self._complete("build", front_end.build, front_end.environment, front_end.cwd)
        self._run("web", front_end.command, front_end.environment, front_end.cwd)
        self._web_url = address()

    def _start(self, name: str, settings: Mapping[str, str], *arguments: str) -> None:
        self._run(name, [sys.executable, "-m", "app.cli", *arguments], settings, BACKEND)

    def _run(
        self, name: str, command: Sequence[str], settings: Mapping[str, str], cwd: Path
    ) -> None:
        """Start a part that runs until everything ends."""
        process = processes.start(
            command, env=process_environment(settings), output=subprocess.PIPE, cwd=cwd
        )
        self._apps[name] = process
        self._started.add(process.pid)
        follower = self._console.follow(name, process, self._log(name))
        self._watch(name, process, then=follower.join)

    def _watch(
        self, name: str, process: subprocess.Popen[bytes], then: Callable[[], object] | None = None
    ) -> None:
        """Report the process's end, once its last output is in its log."""

        def wait() -> None:
            process.wait()
            if then is not None:
                then()
            self._ended.put(name)

        threading.Thread(target=wait, daemon=True).start()

    def _wait_until_ready(self) -> None:
        ready = f"{self._url}/readyz"
        if not self._wait_for(ready, _READY_SECONDS):
            log = self._log("api")
            raise DevelopmentError(
                f"The API was not ready after {_READY_SECONDS:.0f} seconds: GET {ready} tells "
                f"which part is not. The end of {log}:\n{last_lines(log)}"
            )
        self._console.step("API and worker are up")

    def _wait_for_front_end(self) -> None:
        if not self._wait_for(address(), _FIRST_PAGE_SECONDS):
            log = self._log("web")
            raise DevelopmentError(
                f"The front end showed no page within {_FIRST_PAGE_SECONDS:.0f} seconds. "
                f"The end of {log}:\n{last_lines(log)}"
            )
        self._console.step("the front end is up")

    def _wait_for(self, url: str, seconds: float) -> bool:
        """Wait until it answers; when a part ends before, everything does."""
        answered = False

        def over() -> bool:
            nonlocal answered
            answered = self._ended.empty() and answers(url)
            return answered or not self._ended.empty()

        processes.wait_until(over, seconds)
        if not self._ended.empty():
            self._fail(self._ended.get())
        return answered

    def _seed(self, servers: Servers) -> None:
        if servers.issuer is None:
            self._console.step("no demo data: it needs tokens of the development issuer")
            return
        from app.dev.seed import SeedError, fill

        try:
            self._console.step(fill(self._url, self._dev_dir))
        except SeedError as error:
            self._console.step(f"no demo data: {error}")

    def _start_dashboard(self, connections: Connections, stack: ExitStack) -> str | None:
        """Start what shows the queue in a browser, and return where; None without it.

        Nothing depends on it: it may end without ending anything else.
        """
        ports = Ports(self._dev_dir)
        port = ports.last("dashboard")
        if port is None or not processes.port_is_free(port):
            port = processes.free_port()
        dashboard = job_queue.dashboard(connections.queue or "", port)
        if isinstance(dashboard, NoDashboard):
            if dashboard.reason is not None:
                self._console.step(dashboard.reason)
            return None
        with self._log("dashboard").open("wb") as output:
            process = processes.start(
                dashboard.command,
                env=process_environment(dashboard.environment),
                output=output,
                cwd=dashboard.cwd,
            )
        stack.callback(processes.stop, process, (signal.SIGTERM, 5.0))
        self._started.add(process.pid)
        ports.remember(dashboard=port)
        return f"http://{LOOPBACK}:{port}"

    def _publish(self, servers: Servers, connections: Connections, *, ready: bool) -> None:
        supervisor = ProcessIdentity.of(os.getpid())
        if supervisor is None:
            raise RuntimeError("this process runs")
        running = {**servers.running(), **self._apps}
        Runtime(
            supervisor=supervisor,
            urls={
                **connections.urls(),
                "api": self._url,
                **({"web": self._web_url} if self._web_url else {}),
            },
            environment=connections.for_operator(),
            pids={name: process.pid for name, process in running.items()},
            ready=ready,
        ).write(self._dev_dir)

    def _invite(self, dashboard: str | None, mailbox: str | None) -> None:
        pages = [f"  front end      {self._web_url}"] if self._web_url else []
        jobs = [f"  jobs           {dashboard}"] if dashboard else []
        mails = [f"  mails          {mailbox}"] if mailbox else []
        for line in (
            "",
            *pages,
            f"  API            {self._url}",
            f"  documentation  {self._url}/docs",
            f"  metrics        {self._url}/metrics",
            *jobs,
            *mails,
            f"  logs           {self._dev_dir / 'logs'}",
            "",
            "  Try, in a second terminal:",
            f"    TOKEN=$({_TOKEN})",
            f'    curl -H "Authorization: Bearer $TOKEN" {self._url}/api/v1/me',
            f'    curl -H "Authorization: Bearer $TOKEN" {self._url}/api/v1/contacts',
            "    make doctor",
            "    make psql",
            "",
            "  Ctrl-C stops everything.",
            "",
            " ".join(filter(None, ("ready", self._url, self._web_url))),
        ):
            self._console.line(line)

    def _fail(self, name: str) -> None:
        process = self._apps.get(name)
        how = f" ({_ending(process.returncode)})" if process is not None else ""
        log = self._log(name)
        raise DevelopmentError(
            f"{name} has ended{how}, so everything was stopped. The end of {log}:\n"
            f"{last_lines(log)}"
        )

    def _stop_apps(self) -> None:
        """Let the worker and the API finish what they have begun, both at the same time."""
        self._console.line()
        self._console.step("stopping")
        for process in self._apps.values():
            if process.poll() is None:
                process.terminate()
        for process in self._apps.values():
            processes.stop(process, (signal.SIGTERM, _DRAIN_SECONDS))

    def _log(self, name: str) -> Path:
        return self._dev_dir / "logs" / f"{name}.log"


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
