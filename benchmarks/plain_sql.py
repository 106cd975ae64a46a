"""The SQL of the endpoints straight through the driver. Runs with the product's own Python.

Reads a job as JSON on stdin and answers with measurements on stdout. The statements are those of
the services themselves: a session that writes down what it is asked to run takes the database's
place.
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
from app.features.contacts import service as contacts  # type: ignore[import-not-found]
from app.features.contacts.schemas import NewContact  # type: ignore[import-not-found]
from app.features.me import service as me  # type: ignore[import-not-found]
from psycopg import sql
from sqlalchemy.dialects.postgresql import (  # type: ignore[import-not-found]
    psycopg as dialect,
)

Parameters = dict[str, Any]


class _Captured(Exception):  # noqa: N818  # how a statement comes out
    def __init__(self, statement: Any, parameters: Parameters) -> None:
        self.statement = statement
        self.parameters = parameters


class _Listener:
    async def execute(self, statement: Any, parameters: Parameters) -> Any:
        raise _Captured(statement, parameters)

    scalar = execute


async def _statement(call: Callable[[Any], Any]) -> tuple[str, Parameters]:
    try:
        await call(_Listener())
    except _Captured as captured:
        compiled = captured.statement.compile(
            dialect=dialect.dialect(), column_keys=list(captured.parameters)
        )
        return str(compiled), dict(compiled.construct_params(captured.parameters))
    raise RuntimeError("the service ran no statement")


async def _measure(job: dict[str, Any]) -> dict[str, list[float]]:
    someone = SimpleNamespace(
        user_id=UUID(job["user_id"]), organization_id=UUID(job["organization_id"])
    )
    new = NewContact(name="New", email="new@example.com", company="Some", amount="1.50")
    statements = {
        "me": await _statement(lambda session: me.me(session, someone)),
        "list": await _statement(
            lambda session: contacts.list_contacts(session, limit=100, cursor=None, q=None)
        ),
        "insert": await _statement(lambda session: contacts.create_contact(session, new)),
    }
    connections = [
        await psycopg.AsyncConnection.connect(job["url"], autocommit=True, prepare_threshold=None)
        for _ in range(job["concurrency"])
    ]
    try:
        name = job["statement"]
        text, parameters = statements[name]
        await _round(connections, text, parameters, job["claims"], 50 * len(connections))
        return {"round": await _round(connections, text, parameters, job["claims"], job["total"])}
    finally:
        for connection in connections:
            await connection.close()


async def _round(
    connections: list[psycopg.AsyncConnection[Any]],
    text: str,
    parameters: Parameters,
    claims: dict[str, Any],
    total: int,
) -> list[float]:
    numbers = count()
    latencies: list[float] = []
    opening = sql.SQL("BEGIN; SELECT * FROM app.enter({}, {})").format(
        json.dumps(claims), "benchmark"
    )

    async def ask(connection: psycopg.AsyncConnection[Any]) -> None:
        while next(numbers) < total:
            began = time.perf_counter()
            await connection.execute(opening)
            given = parameters
            if "email" in given:
                given = {**given, "email": f"{uuid4().hex}@example.com"}
            cursor = await connection.execute(text.encode(), given)
            await cursor.fetchone()
            await connection.commit()
            latencies.append(time.perf_counter() - began)

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(ask(connection) for connection in connections))
    return [time.perf_counter() - began, time.process_time() - cpu, *latencies]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_measure(json.load(sys.stdin)))))
