"""Commands of the product, each a process of its own, without the wait for libraries to load.

Most of the time of a command is the import of what others wrote. On Linux one process has that
behind it and forks for each command, which has an environment, streams and an exit code of its own
and imports the product itself anew. Elsewhere a fork without an exec is not safe, and each command
is started as one is from a shell. Nothing of the product is imported here, or a command would find
it imported.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

_LIBRARIES = [
    *("alembic.command", "fastapi", "httpx", "joserfc.jwt", "limits", "msgspec", "obstore"),
    *("prometheus_client", "psycopg", "psycopg_pool", "pydantic_settings", "redis.asyncio"),
    *("rich.console", "rich.progress", "sqlalchemy.dialects.postgresql.psycopg"),
    *("sqlalchemy.ext.asyncio", "structlog", "typer.main"),
]
_STREAMS = ("stdin", "stdout", "stderr")
_BACKEND = Path(__file__).resolve().parents[1]


def _context() -> ForkServerContext | None:
    if not sys.platform.startswith("linux"):
        return None
    context = multiprocessing.get_context("forkserver")
    # A library that this repository does not have is passed over.
    context.set_forkserver_preload(_LIBRARIES)
    return context


_FORKS = _context()


def run(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    answer: str = "",
    seconds: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `app …` to its end, and return its exit code and what it printed.

    Args:
        arguments: The words after `app`.
        env: Its whole environment.
        answer: What is typed at its prompts.
        seconds: How long it may take.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was ended.
    """
    command = [sys.executable, "-m", "app.cli", *arguments]
    if _FORKS is None:
        return subprocess.run(
            command,
            env=env,
            cwd=_BACKEND,
            check=False,
            capture_output=True,
            text=True,
            input=answer,
            timeout=seconds,
        )
    with tempfile.TemporaryDirectory(prefix="command-") as folder:
        streams = [Path(folder, name) for name in _STREAMS]
        streams[0].write_text(answer)
        process = _FORKS.Process(target=_become, args=(arguments, dict(env), streams))
        process.start()
        process.join(seconds)
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, seconds or 0.0, streams[1].read_bytes())
        process.close()
        _, printed, complained = (stream.read_text() for stream in streams)
        return subprocess.CompletedProcess(command, code, printed, complained)


def _become(arguments: Sequence[str], env: Mapping[str, str], streams: Sequence[Path]) -> None:
    """Be `python -m app.cli …`, in a process that was forked for it."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(_BACKEND)
    sys.path.insert(0, str(_BACKEND))
    for number, stream in enumerate(streams):
        opened = os.open(stream, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["app", *arguments]
    runpy.run_module("app.cli", run_name="__main__", alter_sys=True)
