"""More of a running product, beside what `make dev` started: the same data, other settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from driving import START_SECONDS, Product, free_port, until
from pooling import LOGIN, is_ready, program_running
from rendering import clean_environment


@contextmanager
def api_of(product: Product, port: int | None = None, /, **settings: str) -> Iterator[str]:
    """Run another API of the product with other settings, and give its address."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    running = product.runtime()
    login = dict.fromkeys(("DATABASE_URL", "LISTEN_DATABASE_URL"), running["urls"][LOGIN])
    environment = clean_environment(**(running["environment"] | login | settings))
    backend = product.repository / "backend"
    command: list[str | Path] = [backend / ".venv/bin/app", "api", "--port", str(port)]
    log = product.repository.parent / f"api-{port}.log"
    with program_running(command, log, cwd=backend, env=environment) as is_alive:
        until(lambda: is_alive() and is_ready(url), "another API", START_SECONDS)
        yield url


@contextmanager
def front_end_of(product: Product, api: str, port: int, **settings: str) -> Iterator[str]:
    """Run the product's front end as production serves it, and give its address.

    It is built already. There is no development issuer in its environment, so that the module of
    the provider signs people in.
    """
    url = f"http://localhost:{port}"
    environment = clean_environment(
        API_URL=api,
        APP_URL=url,
        PORT=str(port),
        HOSTNAME="localhost",
        NEXT_TELEMETRY_DISABLED="1",
        **settings,
    )
    node = product.repository / "scripts/node.sh"
    command: list[str | Path] = ["sh", node, "node", ".next/standalone/server.js"]
    log = product.repository.parent / f"web-{port}.log"
    folder = product.repository / "frontend"
    with program_running(command, log, cwd=folder, env=environment) as is_alive:
        until(lambda: is_alive() and _answers(url), "another front end", START_SECONDS)
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False
