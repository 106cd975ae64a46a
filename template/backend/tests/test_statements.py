"""Statements that run on the driver, past SQLAlchemy's execution."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from sqlalchemy import Text, bindparam, literal, make_url, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database import is_connection_lost, sqlalchemy_url
from app.statements import first, scalar
from app.tenancy.session import transaction
from tests.conftest import Connection
from tests.running import Platform


@pytest.fixture
async def engine(api_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        sqlalchemy_url(api_url), isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=0
    )
    yield engine
    await engine.dispose()


async def test_the_first_row_comes_back_and_constants_are_kept(engine: AsyncEngine) -> None:
    statement = select(bindparam("given", type_=Text), literal("100 %", Text))
    async with engine.connect() as session:
        for given in ("one", "two % %(three)s"):
            assert await first(session, statement, {"given": given}) == (given, "100 %")
            assert await scalar(session, statement, {"given": given}) == given
        assert await scalar(session, select(literal(1)).where(literal(value=False)), {}) is None


async def test_values_are_translated_as_sqlalchemy_does(engine: AsyncEngine) -> None:
    statement = select(bindparam("given", type_=JSONB)["a"].astext)
    async with engine.connect() as session:
        assert await scalar(session, statement, {"given": {"a": "o'b"}}) == "o'b"


async def test_an_in_that_sqlalchemy_expands_is_refused(engine: AsyncEngine) -> None:
    statement = select(literal(1)).where(literal("a", Text).in_(["a", "b"]))
    async with engine.connect() as session:
        with pytest.raises(TypeError, match=r"use session\.execute"):
            await scalar(session, statement, {})


async def test_a_forgotten_parameter_is_named(engine: AsyncEngine) -> None:
    async with engine.connect() as session:
        with pytest.raises(InvalidRequestError, match="given"):
            await scalar(session, select(bindparam("given", type_=Text, required=True)), {})


async def test_quotes_in_claims_and_request_ids_are_data(engine: AsyncEngine) -> None:
    claims = {"sub": "o'brien \\' \u00e9 %s"}
    async with transaction(engine, claims, "r'1\\") as (session, _):
        query = text(
            "select current_setting('request.jwt.claims')::jsonb ->> 'sub',"
            " current_setting('app.request_id')"
        )
        assert await first(session, query, {}) == (claims["sub"], "r'1\\")


async def test_a_connection_that_is_lost_is_replaced_without_a_complaint(
    engine: AsyncEngine, as_admin: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    query = select(literal(1))
    claims = {"sub": "lost"}

    async def lose() -> None:
        async with transaction(engine, claims, "r1") as (session, _):
            pid = await scalar(session, text("select pg_backend_pid()"), {})
            as_admin.execute("select pg_terminate_backend(%s, 10000)", [pid])
            await scalar(session, query, {})

    with caplog.at_level(logging.WARNING), pytest.raises(psycopg.OperationalError) as lost:
        await lose()
    assert is_connection_lost(lost.value)
    assert not caplog.records
    async with transaction(engine, claims, "r2") as (session, _):
        assert await scalar(session, query, {}) == 1


@asynccontextmanager
async def dying_at_commit(url: str) -> AsyncIterator[str]:
    """An address that leads to a server which goes away before it commits, behind a pooler."""
    server = make_url(url)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()

    async def serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        there, asked = await asyncio.open_connection(server.host, server.port)
        answering = asyncio.create_task(copy(there, answers))
        while (data := await client.read(65536)) and b"COMMIT" not in data:
            asked.write(data)
            await asked.drain()
        answering.cancel()
        asked.close()
        if data:
            for state in (b"57P01", b"08P01"):
                fields = b"SFATAL\0C" + state + b"\0Mthe server is going\0\0"
                answers.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
            await answers.drain()
        answers.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        yield server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)


async def test_a_server_that_goes_at_the_commit_is_a_lost_connection(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    """Which the driver, told so twice, does not say."""
    async with dying_at_commit(platform.direct("app_api")) as url:
        engine = create_async_engine(
            sqlalchemy_url(url), isolation_level="AUTOCOMMIT", use_native_hstore=False
        )
        with caplog.at_level(logging.WARNING), pytest.raises(psycopg.OperationalError) as lost:
            async with transaction(engine, {"sub": "lost"}, "r1") as (session, _):
                await scalar(session, select(literal(1)), {})
        assert is_connection_lost(lost.value)
        assert not caplog.records
        await engine.dispose()
