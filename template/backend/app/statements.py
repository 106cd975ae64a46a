"""Core statements that run on the driver itself, for what is asked with every request.

SQLAlchemy compiles a statement once as well, but what it does around each execution (events, a
greenlet, result metadata) costs as much CPU as sending the statement and reading the answer.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Dialect, make_url
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable

from app.database import Session, driver_of

_DIALECT: Dialect = make_url("postgresql+psycopg://").get_dialect()()


class _Compiled(NamedTuple):
    query: bytes
    constants: Mapping[str, Any]
    translators: Mapping[str, Callable[[Any], Any]]


async def first(
    session: Session, statement: Executable, parameters: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    """The first row of a statement, or None; values as psycopg reads them.

    Args:
        session: A session; what the statement sees and may do is the session's, as ever.
        statement: Made once, as a constant of its module, and kept in memory compiled.
        parameters: For an insert their names are the columns that it fills.

    Raises:
        psycopg.Error: as `session.execute` would, without SQLAlchemy's wrapping.
        TypeError: the statement has an IN that SQLAlchemy writes anew each time.
    """
    compiled = _compile(statement, tuple(parameters))
    values = {**compiled.constants, **parameters}
    for name, translate in compiled.translators.items():
        values[name] = translate(values[name])
    driver = await driver_of(session)
    try:
        cursor = await driver.execute(compiled.query, values)
        return await cursor.fetchone()
    except psycopg.OperationalError:
        if driver.closed:
            await session.invalidate()  # or the pool would try to roll it back, and complain
        raise


async def scalar(session: Session, statement: Executable, parameters: Mapping[str, Any]) -> Any:
    """The first column of the first row, or None; see `first`."""
    row = await first(session, statement, parameters)
    return None if row is None else row[0]


@lru_cache(maxsize=1024)
def _compile(statement: Executable, names: tuple[str, ...]) -> _Compiled:
    compiled = statement.compile(dialect=_DIALECT, column_keys=list(names))  # type: ignore[attr-defined]
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"{type(statement).__name__} is no statement with parameters")
    if compiled.post_compile_params or compiled.literal_execute_params:
        raise TypeError("the text of an IN depends on its values: use session.execute, or = ANY")
    given = dict.fromkeys(names)
    values = compiled.construct_params(given)
    constants = {name: value for name, value in values.items() if name not in given}
    translators = {
        name: translate
        for bind, name in compiled.bind_names.items()
        if (translate := bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) is not None
    }
    return _Compiled(str(compiled).encode(), constants, translators)
