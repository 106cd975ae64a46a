"""Connections to Postgres, and the check that the login is one that row level security binds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.connections import Connection
from app.logins import connection_class
from app.pool import MeasuredPool

if TYPE_CHECKING:
    # The settings know the queue's module, whose jobs know this one.
    from app.settings import Settings

# Class 08, and the server shutting down: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONNECTION_EXCEPTIONS = ("08", "57P01", "57P02", "57P03")

_DRIVER = "postgresql+psycopg"

Session = AsyncConnection
"""A database session: a connection inside a transaction that can see only its tenant."""


def sqlalchemy_url(url: str) -> str:
    """The URL with the one driver that this application uses, whatever scheme it came with."""
    parsed = make_url(url)
    return parsed.set(drivername=_DRIVER).render_as_string(hide_password=False)


def psycopg_url(url: str) -> str:
    """The same URL in the form that libpq and psycopg read."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql").render_as_string(hide_password=False)


def longest_statement(seconds: float, login: str) -> float:
    """Seconds after which the server ends a statement of a login.

    Args:
        seconds: What a request may take of them.
        login: Its name; a host may append something to it.
    """
    # A chunk of an import is one statement.
    return seconds * 10 if login.startswith("app_worker") else seconds


def create_engine(
    settings: "Settings",
    *,
    application_name: str,
    url: str | None = None,
    pool_size: int | None = None,
) -> AsyncEngine:
    """A pool of connections that works through a transaction pooler.

    Nothing is kept in the session: no named prepared statements, no startup options. The driver's
    own BEGIN is off, because the first statement of a transaction brings its own together with the
    tenant's context, in one round trip.

    Args:
        settings: Of this process.
        application_name: How the server lists the connections.
        url: Another database than the one that the settings name.
        pool_size: The most connections; else that of the settings.
    """
    address = make_url(url or settings.database_url.get_secret_value())
    kind = connection_class(settings.database_next_password)
    statement = longest_statement(settings.database_statement_timeout, address.username or "")

    async def connect(*args: Any, **options: Any) -> Connection:
        connection = await kind.connect(*args, **options)
        # A pooler may make a statement wait for a connection of its own first.
        connection.patience = statement + settings.database_pool_timeout
        return connection

    connect_args: Mapping[str, object] = {
        "async_creator_fn": connect,
        "application_name": application_name,
        "prepare_threshold": None,
        "connect_timeout": 5,
    }
    return create_async_engine(
        address.set(drivername=_DRIVER),
        isolation_level="AUTOCOMMIT",
        use_native_hstore=False,
        pool_size=pool_size or settings.database_pool_size,
        poolclass=MeasuredPool,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=settings.database_pool_timeout,
        connect_args=dict(connect_args),
    )


async def refuse_unsafe_login(engine: AsyncEngine) -> None:
    """Stop the process if its login could see past row level security.

    Raises:
        SystemExit: the login is a superuser, has BYPASSRLS, or owns tables; says how to fix it.
    """
    query = text("""
        select current_user as login, r.rolsuper, r.rolbypassrls,
            exists (
                select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'p') and n.nspname in ('public', 'app', 'audit')
                  and pg_has_role(current_user, c.relowner, 'usage')
            ) as is_owner
        from pg_roles r where r.rolname = current_user
    """)
    async with engine.connect() as connection:
        login = (await connection.execute(query)).one()
    faults = [
        fault
        for fault, found in (
            ("is a superuser", login.rolsuper),
            ("has BYPASSRLS", login.rolbypassrls),
            ("owns tables", login.is_owner),
        )
        if found
    ]
    if faults:
        raise SystemExit(
            f'DATABASE_URL logs in as "{login.login}", which {" and ".join(faults)}: row level '
            "security would not bind it, and tenants would see each other's rows.\n"
            "Log in as app_api (the API) or app_worker (the worker). `app migrate` creates both; "
            "it sets their passwords from APP_API_PASSWORD and APP_WORKER_PASSWORD."
        )


async def driver_of(session: Session) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection under a session, for what only it can do, such as COPY."""
    connection = session.sync_connection
    # Asking asynchronously costs a greenlet, which only a new connection needs.
    if connection is None or connection.invalidated:
        raw = await session.get_raw_connection()
        driver = raw.driver_connection
    else:
        driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.AsyncConnection):
        raise TypeError("the application runs over psycopg")
    return driver


def is_connection_lost(error: BaseException) -> bool:
    """Whether the server went away, so that the same work may succeed on a new connection.

    A timeout or a deadlock is an answer of a server that is there.
    """
    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(_CONNECTION_EXCEPTIONS)


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the same work may succeed at once.

    The server has rolled back whatever the transaction did.
    """
    cause = getattr(error, "orig", None) or error
    return isinstance(cause, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected)


def is_read_only(error: BaseException) -> bool:
    """Whether the database cannot be written for now: it is being moved, or a standby answers."""
    cause = getattr(error, "orig", None) or error
    return isinstance(cause, psycopg.errors.ReadOnlySqlTransaction)
