"""Changes of tables that are in use: for migrations. docs/migrations.md says which to take when."""

import random
import time
from collections.abc import Callable

import psycopg
import structlog
from alembic import op
from psycopg import sql
from sqlalchemy.exc import OperationalError

log = structlog.get_logger(__name__)

LOCK_SECONDS = 2
"""How long a migration waits for a lock. Whoever wants the table waits behind it, so it must be
shorter than what a request has (DATABASE_LOCK_TIMEOUT)."""

LOCK_ATTEMPTS = 30
"""So often a migration asks for its locks: with the pauses between, for some minutes."""

_LONGEST_PAUSE = 8.0


def insisting(work: Callable[[], None], pause: Callable[[float], None] = time.sleep) -> None:
    """Do what may be refused a lock, again and again, and let others have the table in between.

    Args:
        work: It leaves nothing behind when it raises.
        pause: Waits for so many seconds.

    Raises:
        psycopg.errors.LockNotAvailable: it was refused for too long; SQLAlchemy may wrap it.
    """
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            work()
        except (OperationalError, psycopg.OperationalError) as error:
            cause = getattr(error, "orig", None) or error
            if not isinstance(cause, psycopg.errors.LockNotAvailable) or attempt == LOCK_ATTEMPTS:
                raise
            log.warning("migration.waits_for_a_lock", attempt=attempt)
            pause(min(_LONGEST_PAUSE, 0.25 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311
        else:
            return


def add_index(name: str, on: str, *, unique: bool = False) -> None:
    """Make an index while the table is written to.

    It cannot be part of a transaction: the revision commits what it did before. Interrupted, it is
    made anew by the next run.

    Args:
        name: The index's name.
        on: The table and what follows it: `contacts (org_id, company)`.
        unique: Whether its keys are.
    """
    kind = sql.SQL("unique index" if unique else "index")
    index = sql.Identifier(name)
    # An index that was interrupted is there and unusable: `if not exists` would leave it so.
    _outside_of_transactions(sql.SQL("drop index concurrently if exists {}").format(index))
    _outside_of_transactions(
        sql.SQL("create {} concurrently {} on {}").format(kind, index, sql.SQL(on))
    )


def backfill(table: str, change: str, condition: str, *, rows: int = 1000) -> None:
    """Change the rows of every tenant, some at a time, each time in a transaction of its own.

    The role that migrates is bound by row level security like everybody; for as long as this takes
    there is a policy that lets it through. Interrupted, the next run goes on: what is done does not
    meet the condition any more. Every change is in the audit trail.

    Args:
        table: The table's name.
        change: What to set: `employer = company`.
        condition: What holds for rows that are to be changed, and for none afterwards. Rows that
            the application adds meanwhile must not meet it, or there is no end.
        rows: How many at a time.
    """
    name = sql.Identifier(table)
    step = sql.SQL(
        "update {table} set {change} where ctid = any(array("
        "select ctid from {table} where {condition} limit {rows} for update skip locked))"
    ).format(
        table=name,
        change=sql.SQL(change),
        condition=sql.SQL(condition),
        rows=sql.Literal(rows),
    )
    left = sql.SQL("select exists (select from {} where {})").format(
        name,
        sql.SQL(condition),
    )
    context = op.get_context()
    if context.as_sql:
        raise RuntimeError("a backfill runs until nothing is left, which no file of SQL can say")
    with context.autocommit_block():
        owner = _driver()
        insisting(lambda: _let_through(owner, name))
        try:
            while True:
                changed = owner.execute(step).rowcount
                if changed == 0 and owner.execute(left).fetchone() == (False,):
                    break
                if changed == 0:  # somebody else is changing those that are left
                    time.sleep(0.05)
        finally:
            insisting(lambda: _hold_back(owner, name))


def _let_through(owner: psycopg.Connection, table: sql.Identifier) -> None:
    with owner.transaction():
        _hold_back(owner, table)
        for command, clause in (("select", "using"), ("update", "using")):
            owner.execute(
                sql.SQL("create policy {} on {} for {} to current_user {} (true)").format(
                    sql.Identifier(f"backfill_{command}"),
                    table,
                    sql.SQL(command),
                    sql.SQL(clause),
                )
            )


def _hold_back(owner: psycopg.Connection, table: sql.Identifier) -> None:
    for command in ("select", "update"):
        policy = sql.Identifier(f"backfill_{command}")
        owner.execute(sql.SQL("drop policy if exists {} on {}").format(policy, table))


def _outside_of_transactions(statement: sql.Composed) -> None:
    context = op.get_context()
    with context.autocommit_block():
        if context.as_sql:
            context.impl.static_output(f"{statement.as_string(None)};")
            return
        # Its lock lets everybody read and write, and it waits for whoever writes now.
        _driver().execute("set lock_timeout = 0")
        try:
            _driver().execute(statement)
        finally:
            _driver().execute(f"set lock_timeout = '{LOCK_SECONDS}s'".encode())


def _driver() -> psycopg.Connection:
    driver = op.get_bind().connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("migrations run over psycopg")
    return driver
