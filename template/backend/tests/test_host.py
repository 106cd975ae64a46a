"""What the host decides: which addresses are pooled, who is believed, how logins get passwords."""

import asyncio
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.choices import host
from app.database import create_engine, refuse_unsafe_login
from app.dev.postgres import OWNER
from app.dev.servers import Connections
from app.doctor import examine
from app.hosts import ways
from app.hosts.addresses import with_proof
from app.logins import connection_class, is_guessable
from app.settings import Settings
from tests.choices import layout
from tests.pooler import pooled
from tests.running import Platform


@pytest.fixture
def settings(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """The settings of a process without a pooler, and these in the place of what it would have."""
    direct = platform.connections.for_api() | {"DATABASE_URL": platform.direct("app_api")}
    direct.pop("LISTEN_DATABASE_URL", None)

    def read(**changed: str) -> Settings:
        for name, value in (platform.environment(direct) | changed).items():
            monkeypatch.setenv(name, value)
        return Settings()

    return read


def app(
    platform: Platform, connections: Connections, *words: str, **changed: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator does."""
    return platform.app(*words, connections=connections, **changed)


# --- Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", layout.POOLED)
def test_a_pooled_address_is_recognised(url: str) -> None:
    with pytest.raises(ValueError, match="pooler in transaction mode, and because") as caught:
        ways.require_direct(url, "because")
    assert host.DIRECT in str(caught.value)
    assert ":p@" not in str(caught.value)


@pytest.mark.parametrize("url", layout.DIRECT)
def test_a_direct_address_is_taken(url: str) -> None:
    ways.require_direct(url, "because")


@pytest.mark.parametrize(("name", "expected"), layout.NAMED.items())
def test_another_role_is_named_as_the_host_does(name: str, expected: str) -> None:
    assert host.login_as("app_api", name) == expected


@pytest.mark.parametrize("name", ["MIGRATION_DATABASE_URL", "LISTEN_DATABASE_URL"])
def test_a_process_does_not_start_on_a_pooled_address_where_it_needs_a_direct_one(
    settings: Callable[..., Settings], name: str
) -> None:
    if name.lower() not in Settings.model_fields:
        pytest.skip("nothing listens to Postgres here")
    assert settings(**{name: layout.DIRECT[0]})
    with pytest.raises(ValueError, match=f"{name}: .* leads through a pooler"):
        settings(**{name: layout.POOLED[0]})


def test_requests_may_be_pooled_if_somebody_listens_elsewhere(
    settings: Callable[..., Settings],
) -> None:
    if "listen_database_url" not in Settings.model_fields:
        assert settings(DATABASE_URL=layout.POOLED[0])
        return
    with pytest.raises(ValueError, match="LISTEN_DATABASE_URL does not say where"):
        settings(DATABASE_URL=layout.POOLED[0])
    assert settings(DATABASE_URL=layout.POOLED[0], LISTEN_DATABASE_URL=layout.DIRECT[0])


def test_startup_options_are_refused_before_a_pooler_does() -> None:
    ways.require_poolable(f"{layout.DIRECT[0]}?options=-c%20work_mem%3D64MB")
    ways.require_poolable(f"{layout.POOLED[0]}?options=endpoint%3Dep-cool-name-123456")
    with pytest.raises(ValueError, match="a pooler refuses `options`"):
        ways.require_poolable(f"{layout.POOLED[0]}?options=-c%20work_mem%3D64MB")


def test_what_is_no_address_is_said_so_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="is no address such as") as caught:
        ways.require_direct("secret", "because")
    assert "secret" not in str(caught.value)


# --- Certificates ---------------------------------------------------------------------------------


def test_a_server_must_prove_who_it_is(tmp_path: Path) -> None:
    authority = tmp_path / "root.crt"
    authority.touch()
    url = with_proof("postgresql://a:b@db.example.com/app?application_name=x", str(authority))
    assert dict(make_url(url).query) == {
        "application_name": "x",
        "sslmode": "verify-full",
        "sslrootcert": str(authority),
    }


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_an_address_cannot_ask_for_less(mode: str) -> None:
    with pytest.raises(ValueError, match=f"sslmode={mode} does not ask the server who it is"):
        with_proof(f"postgresql://a:b@db.example.com/app?sslmode={mode}", __file__)


def test_somebody_must_be_believed() -> None:
    with pytest.raises(ValueError, match="DATABASE_ROOT_CERTIFICATES"):
        with_proof("postgresql://a:b@db.example.com/app", None)
    with pytest.raises(ValueError, match="are not there: /nonesuch"):
        with_proof("postgresql://a:b@db.example.com/app", "/nonesuch")


def test_a_server_among_the_parameters_must_prove_it_too() -> None:
    for url in (
        "postgresql://a:b@/app?host=db.example.com",
        "postgresql://a:b@/app?host=localhost&host=db.example.com",
    ):
        assert "sslmode=verify-full" in with_proof(url, __file__)


def test_loopback_needs_no_proof() -> None:
    assert with_proof("postgresql:///app?host=/run/postgresql", None).endswith("postgresql")
    for address in ("localhost", "127.0.0.1:5433", "[::1]"):
        assert with_proof(f"postgresql://a:b@{address}/app", None).endswith("/app")


# --- Poolers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    return new_database()


@pytest.fixture(scope="module")
def pooler(database: Connections, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The way of the role that migrates, through PgBouncer at a port that says nothing."""
    folder = tmp_path_factory.mktemp("pooler")
    password = make_url(database.migrator).password
    with pooled(folder, database.migrator, {OWNER: str(password)}) as pooler:
        yield pooler.url


def test_migrating_through_a_pooler_is_refused_wherever_it_is(
    platform: Platform, database: Connections, pooler: str
) -> None:
    ways.require_direct(pooler, "because")  # the address does not tell
    refused = app(platform, database, "migrate", MIGRATION_DATABASE_URL=pooler)
    assert refused.returncode == 1
    assert "MIGRATION_DATABASE_URL leads through a pooler in transaction mode" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_direct_way_is_no_pooler(database: Connections) -> None:
    ways.refuse_shared_sessions(database.migrator)


# --- Roles ----------------------------------------------------------------------------------------


def test_the_doctor_finds_nothing_on_this_host(database: Connections) -> None:
    with psycopg.connect(database.migrator) as owner:
        found = [finding for check in examine(owner) for finding in check.findings]
    assert [finding for finding in found if not finding.is_warning] == []


async def test_the_role_that_migrates_serves_no_requests(database: Connections) -> None:
    engine = create_async_engine(make_url(database.migrator).set(drivername="postgresql+psycopg"))
    with pytest.raises(SystemExit, match="owns tables"):
        await refuse_unsafe_login(engine)
    await engine.dispose()


def test_a_login_with_bypassrls_that_is_not_the_hosts_is_reported(database: Connections) -> None:
    assert database.admin is not None
    with psycopg.connect(database.admin) as admin:
        admin.execute("create role helper login bypassrls")
        found = {f.object for check in examine(admin) for f in check.findings}
        admin.rollback()
    assert "role helper" in found


# --- Passwords ------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", "app_api", "x" * 40, "abcabcabcabcabcabcabc"])
def test_passwords_that_can_be_guessed(password: str) -> None:
    assert is_guessable(password)


def test_a_random_password_cannot_be_guessed() -> None:
    assert not is_guessable(secrets.token_urlsafe(16))


async def test_a_password_is_changed_while_somebody_logs_in_all_the_time(
    platform: Platform,
) -> None:
    old, new = secrets.token_urlsafe(), secrets.token_urlsafe()
    owner = platform.connections
    # A pooler with a list of passwords would have to be told as well.
    direct = make_url(platform.direct("app_api"))
    before = str(direct.password)
    url = direct.set(password=old).render_as_string(hide_password=False)
    kind = connection_class(SecretStr(new))
    logins = 0
    is_over = asyncio.Event()

    async def set_to(password: str) -> None:
        done = await asyncio.to_thread(
            app, platform, owner, "passwords", "set", APP_API_PASSWORD=password
        )
        assert done.returncode == 0, done.stderr
        assert "app_api logs in with its new password." in done.stdout

    async def log_in_all_the_time() -> None:
        nonlocal logins
        while not is_over.is_set():
            await (await kind.connect(url)).close()
            logins += 1

    async def some_more() -> None:
        enough = logins + 5
        async with asyncio.timeout(30):
            while logins < enough:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.01)

    try:
        await set_to(old)
        running = asyncio.create_task(log_in_all_the_time())
        await some_more()
        await set_to(new)
        await some_more()
        await set_to(old)  # somebody has second thoughts
        await some_more()
        await set_to(new)
        is_over.set()
        await running
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            await psycopg.AsyncConnection.connect(url)
    finally:
        await set_to(before)


async def test_the_pool_logs_in_with_the_next_password(
    platform: Platform, settings: Callable[..., Settings]
) -> None:
    login = make_url(platform.direct("app_api"))
    stale = login.set(password="no longer").render_as_string(hide_password=False)
    engine = create_engine(
        settings(DATABASE_URL=stale, DATABASE_NEXT_PASSWORD=str(login.password)),
        application_name="rotation",
    )
    async with engine.connect() as connection:
        assert await connection.scalar(text("select current_user")) == "app_api"
    await engine.dispose()


def test_a_password_is_in_no_log_of_the_servers(platform: Platform) -> None:
    if not host.HASHES_PASSWORDS:
        pytest.skip("the host takes passwords in plain text only")
    owner, secret = platform.connections, secrets.token_urlsafe()
    before = str(make_url(owner.app_worker).password)
    assert owner.admin is not None
    with psycopg.connect(owner.admin, autocommit=True) as admin:
        logging = sql.SQL("alter role {} set log_statement = {}").format(
            sql.Identifier(OWNER), sql.Literal("all")
        )
        admin.execute(logging)
        try:
            for password in (secret, before):
                done = app(platform, owner, "passwords", "set", APP_WORKER_PASSWORD=password)
                assert done.returncode == 0, done.stderr
        finally:
            admin.execute(
                sql.SQL("alter role {} reset log_statement").format(sql.Identifier(OWNER))
            )
    log = platform.postgres.log.read_text()
    assert "alter role" in log
    assert secret not in log
