"""The SQL of the endpoints straight through the driver. Runs with the product's own Python.

Reads a job as JSON on stdin and answers with measurements on stdout; told to `show`, with the
statement and its parameters. The statements are those of the services themselves: a session that
writes down what it is asked to run takes the database's place.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
from app.database import driver_of, sqlalchemy_url  # type: ignore[import-not-found]
from app.features.contacts import service as contacts  # type: ignore[import-not-found]
from app.features.contacts.schemas import NewContact  # type: ignore[import-not-found]
from app.features.me import service as me  # type: ignore[import-not-found]
from psycopg import sql
from sqlalchemy.ext.asyncio import create_async_engine  # type: ignore[import-not-found]

Parameters = dict[str, Any]


class _Recorder(psycopg.AsyncCursor[Any]):
    last: tuple[Any, Any]

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        type(self).last = (query, params)
        return await super().execute(query, params, **options)


async def _statements(job: dict[str, Any]) -> dict[str, tuple[bytes, Parameters]]:
    """What the driver is given when the services run; nothing of it is committed."""
    someone = SimpleNamespace(
        user_id=UUID(job["user_id"]),
        tenant_id=UUID(job["organization_id"]),
        role="admin",
        permissions=frozenset(),
    )
    new = NewContact(name="New", email=f"{uuid4().hex}@example.com", company="Some", amount="1.50")
    calls: dict[str, Callable[[Any], Any]] = {
        "me": lambda session: me.me(session, someone),
        "list": lambda session: contacts.list_contacts(session, limit=100, cursor=None, q=None),
        "insert": lambda session: contacts.create_contact(session, new),
    }
    found = {}
    engine = create_async_engine(sqlalchemy_url(job["url"]), isolation_level="AUTOCOMMIT")
    async with engine.connect() as session:
        driver = await driver_of(session)
        await driver.execute(_opening(job["claims"]))
        driver.cursor_factory = _Recorder
        for name, call in calls.items():
            await call(session)
            query, parameters = _Recorder.last
            found[name] = (bytes(query), dict(parameters))
        await driver.rollback()
    await engine.dispose()
    return found


def _opening(claims: dict[str, Any]) -> sql.Composed:
    return sql.SQL("BEGIN; SELECT * FROM app.enter({}, {})").format(json.dumps(claims), "benchmark")


async def _show(job: dict[str, Any]) -> tuple[str, Parameters]:
    query, parameters = (await _statements(job))[job["statement"]]
    return query.decode(), parameters


async def _measure(job: dict[str, Any]) -> dict[str, list[float]]:
    query, parameters = (await _statements(job))[job["statement"]]
    connections = [
        await psycopg.AsyncConnection.connect(job["url"], autocommit=True, prepare_threshold=None)
        for _ in range(job["concurrency"])
    ]
    try:
        await _round(connections, query, parameters, job["claims"], 50 * len(connections))
        return {"round": await _round(connections, query, parameters, job["claims"], job["total"])}
    finally:
        for connection in connections:
            await connection.close()


async def _round(
    connections: list[psycopg.AsyncConnection[Any]],
    query: bytes,
    parameters: Parameters,
    claims: dict[str, Any],
    total: int,
) -> list[float]:
    numbers = count()
    latencies: list[float] = []
    opening = _opening(claims)

    async def ask(connection: psycopg.AsyncConnection[Any]) -> None:
        while next(numbers) < total:
            began = time.perf_counter()
            await connection.execute(opening)
            given = parameters
            if "email" in given:
                given = {**given, "email": f"{uuid4().hex}@example.com"}
            cursor = await connection.execute(query, given)
            await cursor.fetchone()
            await connection.commit()
            latencies.append(time.perf_counter() - began)

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(ask(connection) for connection in connections))
    return [time.perf_counter() - began, time.process_time() - cpu, *latencies]


if __name__ == "__main__":
    run = _show if sys.argv[1:] == ["show"] else _measure
    sys.stdout.write(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
