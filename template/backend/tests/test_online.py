"""A table is changed while everybody writes to it, and nobody waits for long.

The steps are those of docs/migrations.md: a column is added, filled and indexed, and the old one
goes, while writers that know the old column only, then both, then the new one only are at work.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from psycopg import errors
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.choices import tenancy
from app.database import sqlalchemy_url
from app.dev.lint_migrations import main as lint
from app.dev.servers import Connections
from app.migrations import run_sql
from app.online import LOCK_ATTEMPTS, LOCK_SECONDS, add_index, backfill, insisting
from tests.pooler import log_in

ROWS = 20_000
WRITERS = 4

# What a request may wait for a lock, and more than a migration does.
LOCK_TIMEOUT = 5.0


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A table of the shape of a feature's, with many rows of two tenants."""
    connections = new_database()
    assert connections.admin is not None
    with psycopg.connect(connections.migrator) as owner:
        owner.execute(
            f"""
            create table public.people (
                id uuid not null default app.uuid_v7(),
                {tenancy.TENANT_COLUMN} uuid not null,
                company text not null,
                primary key ({tenancy.TENANT_COLUMN}, id)
            )""".encode()
        )
        owner.execute("alter table public.people enable row level security")
        owner.execute("alter table public.people force row level security")
        owner.execute("grant select, insert, update on public.people to app_api")
        for command, clause in (
            ("select", "using (true)"),
            ("insert", "with check (true)"),
            ("update", "using (true) with check (true)"),
        ):
            policy = f"create policy p_{command} on public.people for {command} to app_api {clause}"
            owner.execute(policy.encode())
    with log_in(connections.app_api) as api:
        api.execute(
            f"insert into public.people ({tenancy.TENANT_COLUMN}, company)"
            " select gen_random_uuid(), 'C' || n from generate_series(1, %s) n".encode(),
            [ROWS],
        )
    return connections


class Writers:
    """Threads that insert and update as the application does, and note how long each took."""

    def __init__(self, url: str, columns: str) -> None:
        self.columns = columns
        self.longest = 0.0
        self.failures: list[Exception] = []
        self._done = 0
        self._is_over = threading.Event()
        self._url = url
        self._threads = [threading.Thread(target=self._work) for _ in range(WRITERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.some_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def some_more(self, times: int = 20) -> None:
        """Wait until so many more writes were made."""
        enough = self._done + times
        while self._done < enough:
            assert not self.failures, self.failures
            time.sleep(0.005)

    def _work(self) -> None:
        try:
            with log_in(self._url, autocommit=True) as connection:
                connection.execute(f"set lock_timeout = '{LOCK_TIMEOUT}s'".encode())
                while not self._is_over.is_set():
                    began = time.perf_counter()
                    for statement in self._statements():
                        connection.execute(statement.encode())
                    self.longest = max(self.longest, time.perf_counter() - began)
                    self._done += 1
        except Exception as error:  # noqa: BLE001  # a thread tells its test
            self.failures.append(error)

    def _statements(self) -> Iterator[str]:
        names = self.columns.split()
        values = ", ".join(f"'{name}'" for name in names)
        yield (
            f"insert into public.people ({tenancy.TENANT_COLUMN}, {', '.join(names)})"
            f" values (gen_random_uuid(), {values})"
        )


@contextmanager
def migration(database: Connections) -> Iterator[None]:
    """What stands in a revision's `upgrade()`."""
    engine = create_engine(sqlalchemy_url(database.migrator), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"set lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text("set search_path = public"))
        connection.commit()
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with Operations.context(context), context.begin_transaction(_per_migration=True):
            yield
    engine.dispose()


def column(database: Connections, name: str) -> list[Any]:
    with log_in(database.app_api) as api:
        return [v for (v,) in api.execute(f"select {name} from public.people".encode())]


def test_a_column_is_renamed_without_an_interruption(database: Connections) -> None:
    with Writers(database.app_api, "company") as old:
        # Expand: the old code goes on, and what it writes is copied.
        with migration(database):
            run_sql(
                """
                alter table people add column employer text;
                create function public.copy_company() returns trigger language plpgsql
                set search_path = '' as $$
                begin
                    if tg_op = 'INSERT' or new.company is distinct from old.company
                       and new.employer is not distinct from old.employer then
                        new.employer := coalesce(new.employer, new.company);
                    end if;
                    new.company := coalesce(new.employer, new.company);
                    return new;
                end $$;
                create trigger copy_company before insert or update on people
                    for each row execute function public.copy_company();
                """
            )
        old.some_more()
        with migration(database):
            backfill("people", "employer = company", "employer is null", rows=2000)
        assert None not in column(database, "employer")
        with migration(database):
            add_index("people_employer", f"people ({tenancy.TENANT_COLUMN}, employer)")
            run_sql(
                "alter table people add constraint employer_there"
                " check (employer is not null) not valid"
            )
        with migration(database):
            run_sql("alter table people validate constraint employer_there")
        with migration(database):
            run_sql(
                "alter table people alter column employer set not null;"
                "alter table people drop constraint employer_there"
            )
        old.some_more()
        # The new code comes beside the old one.
        with Writers(database.app_api, "employer") as new:
            new.some_more()
            old.some_more()
        assert not new.failures
    assert not old.failures
    with Writers(database.app_api, "employer") as new:
        # Contract: nobody knows the old column any more.
        with migration(database):
            run_sql(
                "drop trigger copy_company on people; drop function public.copy_company();"
                "alter table people drop column company"
            )
        new.some_more()
    assert not new.failures
    assert max(old.longest, new.longest) < LOCK_TIMEOUT
    assert set(column(database, "employer")) >= {"company", "employer", "C1", f"C{ROWS}"}
    with psycopg.connect(database.migrator) as owner:
        policies = owner.execute(
            "select polname from pg_policy where polname like 'backfill%'"
        ).fetchall()
    assert policies == []


def test_a_lock_that_is_not_given_is_asked_for_again(database: Connections) -> None:
    pauses: list[float] = []
    with (
        log_in(database.app_api) as reader,
        psycopg.connect(database.migrator, autocommit=True) as owner,
    ):
        reader.execute("select from public.people limit 1")
        owner.execute("set lock_timeout = '100ms'")

        def let_go(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                reader.rollback()

        insisting(lambda: _add_note(owner), pause=let_go)
    assert len(pauses) == 3
    assert "note" in column_names(database)


def _add_note(owner: psycopg.Connection) -> None:
    owner.execute("alter table public.people add column note text")


def column_names(database: Connections) -> set[str]:
    with psycopg.connect(database.migrator) as owner:
        return {
            c.name for c in owner.execute("select * from public.people limit 0").description or ()
        }


def test_a_lock_that_is_never_given_is_an_error_in_the_end() -> None:
    pauses: list[float] = []

    def refused() -> None:
        raise errors.LockNotAvailable

    with pytest.raises(errors.LockNotAvailable):
        insisting(refused, pause=pauses.append)
    assert len(pauses) == LOCK_ATTEMPTS - 1
    assert 30 < sum(pauses) < 300


def test_another_error_is_not_tried_again() -> None:
    def broken() -> None:
        raise errors.UndefinedTable

    with pytest.raises(errors.UndefinedTable):
        insisting(broken, pause=lambda _: pytest.fail("it was tried again"))


def test_an_index_that_was_interrupted_is_made_anew(database: Connections) -> None:
    with psycopg.connect(database.migrator, autocommit=True) as owner:
        owner.execute("drop index if exists public.people_unique")
        with pytest.raises(errors.UniqueViolation):  # it leaves an index that is not valid
            owner.execute("create unique index concurrently people_unique on public.people ((1))")
        with migration(database):
            add_index("people_unique", "people (id)", unique=True)
        valid = owner.execute(
            "select indisvalid from pg_index where indexrelid = 'public.people_unique'::regclass"
        ).fetchone()
    assert valid == (True,)


def test_the_migrations_of_this_repository_pass_their_lint() -> None:
    assert lint() == 0
