"""Statements that run on the driver, past SQLAlchemy's execution."""

import logging
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import Text, bindparam, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database import is_connection_lost, sqlalchemy_url
from app.statements import first, scalar
from app.tenancy.session import transaction
from tests.conftest import Connection


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
