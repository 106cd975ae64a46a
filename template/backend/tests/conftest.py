"""What tests ask for by name: the product on real servers, started once, only when asked for."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import httpx
import psycopg
import pytest
from pydantic_core import PydanticUndefined

from app.choices import provider as chosen
from app.dev.choices import provider
from app.dev.issuer_key import load_or_create
from app.dev.servers import Connections
from app.dev.tokens import mint
from tests.pooler import log_in
from tests.running import AppProcess, Platform

Connection = psycopg.Connection[Any]


_SERVERS = {
    *("platform", "postgres", "valkey", "broker", "dev_dir", "make_dev"),
    *("server", "browser_server", "limited_server"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a server, so that the rest can be run after every change."""
    for item in items:
        if not _SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("servers")


class MintToken(Protocol):
    """Makes a development token; further claims replace the usual ones."""

    def __call__(
        self, user: str = ..., org: str | None = ..., role: str = ..., **overrides: Any
    ) -> str: ...


@pytest.fixture(scope="session", autouse=True)
def development_provider() -> Iterator[None]:
    """Whatever `.env` says of a provider: tokens are the development issuer's, by the defaults."""
    with pytest.MonkeyPatch.context() as patch:
        for field, details in chosen.Settings.model_fields.items():
            value = provider.SETTINGS.get(field.upper(), details.default)
            if value is not PydanticUndefined:
                patch.setenv(field.upper(), "" if value == [] else str(value))
        yield


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Postgres, the queue's server and the token issuer, with a migrated database."""
    with ExitStack() as stack:
        yield Platform(tmp_path_factory.mktemp("platform"), stack)


@pytest.fixture(scope="session")
def connections(platform: Platform) -> Connections:
    return platform.connections


@pytest.fixture(scope="session")
def new_database(platform: Platform) -> Callable[..., Connections]:
    """Call it for another migrated database (`migrated=False` for an empty one)."""
    return platform.new_database


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database of a module's own, in which no worker runs."""
    return new_database()


@pytest.fixture
def admin(database: Connections) -> Iterator[Connection]:
    """The module's own database as its superuser."""
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as connection:
        yield connection


# The same database as each of its logins.


@pytest.fixture(scope="session")
def admin_url(platform: Platform) -> str:
    assert platform.connections.admin is not None
    return platform.connections.admin


@pytest.fixture(scope="session")
def migrator_url(connections: Connections) -> str:
    return connections.migrator


@pytest.fixture(scope="session")
def api_url(connections: Connections) -> str:
    return connections.app_api


@pytest.fixture(scope="session")
def worker_url(connections: Connections) -> str:
    return connections.app_worker


@pytest.fixture
def as_admin(admin_url: str) -> Iterator[Connection]:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def as_api(api_url: str) -> Iterator[Connection]:
    with log_in(api_url) as connection:
        yield connection


@pytest.fixture
def as_worker(worker_url: str) -> Iterator[Connection]:
    with log_in(worker_url) as connection:
        yield connection


# The product's processes.


@pytest.fixture(scope="session")
def api_process(platform: Platform) -> tuple[AppProcess, str]:
    """The API, and its address."""
    process, address = platform.api()
    process.start()
    return process, address


@pytest.fixture(scope="session")
async def api(api_process: tuple[AppProcess, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running API."""
    _, address = api_process
    async with httpx.AsyncClient(base_url=address, timeout=30.0, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def session_worker(platform: Platform) -> AppProcess:
    return platform.worker()


@pytest.fixture
def worker(session_worker: AppProcess) -> AppProcess:
    """A running worker. A test may kill it: the next one that asks gets a new one."""
    session_worker.start()
    return session_worker


@pytest.fixture(scope="session")
def token(platform: Platform) -> MintToken:
    """Make a token: `token(user="u1", org="acme", role="admin", ttl=60, azp=None)`."""

    def make(
        user: str = "u1", org: str | None = "acme", role: str = "admin", **overrides: Any
    ) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ENVIRONMENT", "test")
            key = load_or_create(platform.folder)
            issuer = platform.connections.issuer
            return mint(user, org, role, issuer=issuer, key=key, **overrides)

    return make
