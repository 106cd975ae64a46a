"""What the models have in common in which all tenants are in one database."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database import Session, create_engine
from app.tenancy.replica import Replica

if TYPE_CHECKING:
    from app.settings import Settings as AllSettings

__all__ = [
    "Settings",
    "announce",
    "at_home",
    "create_engine",
    "databases_of",
    "everywhere",
    "home",
    "home_named",
    "homes_with_jobs",
    "replica",
    "reroute",
    "routed",
    "tell_control",
    "visit",
]


class Settings(BaseModel):
    """What tenancy in one database may be told."""

    read_database_url: SecretStr | None = Field(
        default=None,
        description="A streaming replica, as the API's login: it answers requests that only read,"
        " of tenants that have not written for some seconds.",
    )


def replica(engine: AsyncEngine, settings: "AllSettings") -> Replica | None:
    """The copy of the database that answers requests that only read, if there is one."""
    url = settings.read_database_url
    return None if url is None else Replica(engine, settings, url.get_secret_value())


def routed(
    engine: AsyncEngine, _claims: Mapping[str, Any]
) -> AbstractAsyncContextManager[AsyncEngine]:
    """The pool of the database in which these claims are proven."""
    return nullcontext(engine)


def reroute(_engine: AsyncEngine, _claims: Mapping[str, Any]) -> None:
    """Ask anew where that database is, the next time."""


def home(engine: AsyncEngine, _tenant_id: UUID | None) -> AbstractAsyncContextManager[AsyncEngine]:
    """The pool of the database in which a tenant's rows and jobs are."""
    return nullcontext(engine)


async def homes_with_jobs(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Each database in which there may be jobs."""
    yield engine


async def everywhere(engine: AsyncEngine, act: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    """Do something in each database of the product: there is one."""
    await act(engine)


async def visit(
    engine: AsyncEngine, look: Callable[[AsyncEngine, UUID | None], Awaitable[int]]
) -> int:
    """Look for jobs wherever there may be some, and return how many were found."""
    return await look(engine, None)


async def announce(_session: Session) -> None:
    """Before a job is written: nobody has to be told where, there is one outbox."""


async def tell_control(_engine: AsyncEngine, _query: Executable, **_parameters: object) -> None:
    """After a commit: nobody has a second copy of who belongs where."""


@contextmanager
def at_home(connection: psycopg.Connection, _tenant_id: UUID) -> Iterator[psycopg.Connection]:
    """An operator's connection to where a tenant's rows are."""
    yield connection


@contextmanager
def home_named(connection: psycopg.Connection, _name: str) -> Iterator[psycopg.Connection]:
    """The same, by whatever the tenant is called."""
    yield connection


def databases_of(url: str) -> Iterator[str]:
    """Every database of the product, as whoever the URL logs in."""
    yield url
