"""Bring a database to the current version: roles, tables, policies, the passwords of the logins.

There are two histories: of the tables that exist once (`migrations/control`), and of the tables of
tenants (`migrations/tenant`), which exist once or once for each tenant.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import psycopg
from alembic import command, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from app.choices import host, tenancy
from app.database import longest_statement, psycopg_url, sqlalchemy_url
from app.hosts.ways import refuse_shared_sessions
from app.online import LOCK_SECONDS, insisting
from app.passwords import LOGINS, set_passwords
from app.revisions import BACKEND, earlier_revisions
from app.settings import Settings

SQL = BACKEND / "migrations" / "sql"
VERSION_SCHEMA = "app_migrations"
OLDEST_VERSION = 150000
ANSWERS_TABLE = (
    f"create table if not exists {VERSION_SCHEMA}.answers"
    " (question text primary key, sha256 bytea not null)"
)


def run_sql(statements: str) -> None:
    """Run statements as they stand: no bind parameters, so `:` and `%` mean themselves."""
    context = op.get_context()
    if context.as_sql:
        ended = statements.rstrip()
        context.impl.static_output(ended if ended.endswith(";") else f"{ended};")
        return
    driver = op.get_bind().connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("migrations run over psycopg")
    driver.execute(statements.encode())


def run_file(name: str) -> None:
    """Run a file of `migrations/sql`."""
    run_sql((SQL / name).read_text())


def server_version() -> int:
    """The version as Postgres counts it: 180006 for 18.6. Where no server is asked, the oldest."""
    if op.get_context().as_sql:
        return OLDEST_VERSION
    return int(op.get_bind().exec_driver_sql("show server_version_num").scalar_one())


async def require_current(engine: AsyncEngine) -> None:
    """Raise if the database is behind what this code was written for.

    A revision that this code does not know is a later one: migrations come before the code that
    needs them, and the processes of the old code go on meanwhile.
    """
    async with engine.connect() as session:
        found = await session.scalar(text("select app.schema_versions()"))
    behind = earlier_revisions() & set(found)
    if behind:
        raise RuntimeError(f"the database is at {', '.join(behind)}, behind this code")


def migrate(settings: Settings) -> str:
    """Apply every pending migration and return the revision that the database has now.

    Two deployments that migrate at the same time take turns.

    Raises:
        SystemExit: no MIGRATION_DATABASE_URL, or the database was made for another answer to the
            question who the tenants are.
    """
    if settings.migration_database_url is None:
        raise SystemExit(
            "MIGRATION_DATABASE_URL is not set: migrations run as the role that owns the schema, "
            "never as app_api or app_worker."
        )
    url = settings.migration_database_url.get_secret_value()
    refuse_shared_sessions(psycopg_url(url))
    with psycopg.connect(psycopg_url(url), autocommit=True) as owner:
        owner.execute("select pg_advisory_lock(hashtext('app migrate'))")
        _require_same_tenants(owner)
        with owner_roles(owner):
            _bring(owner, url, "control")
            tenancy.migrate_tenants(url)
        owner.execute("select audit.ensure_partitions()")
        configure_logins(owner, settings)
        set_passwords(owner, settings)
        found = owner.execute("select unnest(app.schema_versions())").fetchall()
    return ", ".join(revision for (revision,) in found)


def migrate_whole(url: str, settings: Settings) -> str:
    """Bring a database up to date that has both histories, and return its revisions.

    The server has to be prepared for it: see `owner_roles`.
    """
    with psycopg.connect(psycopg_url(url), autocommit=True) as owner:
        _require_same_tenants(owner)
        _bring(owner, url, "control", "tenant")
        owner.execute("select audit.ensure_partitions()")
        configure_logins(owner, settings)
        return revisions_of(owner)


def revisions_of(owner: psycopg.Connection) -> str:
    """Which migrations a database came to, separated by spaces."""
    (revisions,) = owner.execute("select app.schema_versions()").fetchall()[0]
    return " ".join(revisions)


def _bring(owner: psycopg.Connection, url: str, *branches: str) -> None:
    owner.execute(f"create schema if not exists {VERSION_SCHEMA}".encode())
    for branch in branches:
        upgrade(url, branch)
        if branch == "control":
            _install_answers(owner)


@contextmanager
def owner_roles(owner: psycopg.Connection) -> Iterator[None]:
    """Make the roles of this server, and let the migrating one act as those that own the helpers.

    Those are app_definer and app_audit, and for no longer than what is theirs is made. Afterwards
    it may act as app_operator: what `app tenants` does.
    """
    owner.execute((SQL / "roles.sql").read_bytes())
    if host.PREPARE is not None:
        owner.execute((SQL / host.PREPARE).read_bytes())
    _grant_roles(owner, "app_definer, app_audit")
    try:
        yield
    finally:
        if not _is_superuser(owner):
            owner.execute("revoke app_definer, app_audit from current_user")
    _grant_roles(owner, "app_operator")


def _require_same_tenants(owner: psycopg.Connection) -> None:
    """Refuse a database that was made for another model: nothing converts one into the other."""
    (made,) = owner.execute("select to_regprocedure('app.tenancy()')").fetchall()[0]
    if made is None:
        return
    (model,) = owner.execute("select model from app.tenancy()").fetchall()[0]
    if model != tenancy.MODEL:
        raise SystemExit(
            f"This database keeps its tenants apart by {model}, this code by {tenancy.MODEL}: the "
            "answer to tenancy_model has changed, and no migration turns one into the other. "
            "Restore the answer, or move the data by hand: see docs/tenancy."
        )


def upgrade(url: str, branch: str, *, schema: str | None = None) -> None:
    """Apply what is pending of one history.

    Args:
        url: The database, as the role that owns it.
        branch: `control` or `tenant`.
        schema: Where a tenant has tables, and a version, of its own; else there is one of each.
    """
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"set lock_timeout = '{LOCK_SECONDS}s'")
            connection.exec_driver_sql(f"set search_path = {schema or 'public'}")
            connection.commit()
            config = alembic_config(schema or VERSION_SCHEMA, connection)

            def bring() -> None:
                # A revision is a transaction: what was refused its lock has left nothing behind.
                try:
                    command.upgrade(config, f"{branch}@head")
                except BaseException:
                    connection.rollback()
                    raise

            insisting(bring)
    finally:
        engine.dispose()


def alembic_config(
    version_schema: str, connection: Connection | None = None, *, output: TextIO | None = None
) -> Config:
    """Alembic's settings, with what `migrations/env.py` reads.

    Args:
        version_schema: Where the table of versions is.
        connection: Where migrations run.
        output: Where they are written to instead.
    """
    config = Config(BACKEND / "alembic.ini", output_buffer=output)
    config.attributes["connection"] = connection
    config.attributes["version_schema"] = version_schema
    return config


def revisions_as_sql(branch: str) -> Iterator[tuple[str, str]]:
    """Each revision of a history, the first one first, with the SQL that it runs."""
    script = ScriptDirectory.from_config(alembic_config(VERSION_SCHEMA))
    for revision in reversed(list(script.iterate_revisions(f"{branch}@head", "base"))):
        output = io.StringIO()
        before = revision.down_revision
        command.upgrade(
            alembic_config(VERSION_SCHEMA, output=output),
            f"{before}:{revision.revision}" if before else revision.revision,
            sql=True,
        )
        yield revision.revision, output.getvalue()


def _install_answers(owner: psycopg.Connection) -> None:
    """Bring in what only this repository's answers need: `migrations/sql/answers`.

    An answer can change, so these files are no part of the chain of migrations. The name of a file
    begins with the question that it answers; it runs when it is not what answered that question
    last, and must bear to run again.
    """
    owner.execute(ANSWERS_TABLE.encode())
    for question, file in answer_files():
        with owner.transaction():
            news = owner.execute(
                f"""
                insert into {VERSION_SCHEMA}.answers as a values (%s, %s)
                on conflict (question) do update set sha256 = excluded.sha256
                where a.sha256 <> excluded.sha256
                returning 1
                """,  # noqa: S608
                (question, sha256(file.read_bytes()).digest()),
            )
            if news.fetchone() is not None:
                owner.execute(file.read_bytes())


def answer_files() -> Iterator[tuple[str, Path]]:
    """Which question each file of `migrations/sql/answers` is about, and the file."""
    for file in sorted((SQL / "answers").glob("*.sql")):
        yield file.stem.partition("_")[0], file


def _grant_roles(owner: psycopg.Connection, roles: str) -> None:
    if _is_superuser(owner):
        return
    options = " with inherit false, set true" if owner.info.server_version >= 160000 else ""  # noqa: PLR2004
    owner.execute(f"grant {roles} to current_user{options}".encode())


def _is_superuser(owner: psycopg.Connection) -> bool:
    row = owner.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    return bool(row and row[0])


def configure_logins(owner: psycopg.Connection, settings: Settings) -> None:
    """Set for this database what cannot travel as a startup parameter through a pooler."""
    database = sql.Identifier(owner.info.dbname)
    for login in LOGINS:
        owner.execute(
            sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(login))
        )
    for login, name, value in configuration_of_logins(
        settings.database_statement_timeout, settings.database_lock_timeout
    ):
        owner.execute(
            sql.SQL("alter role {} in database {} set {} = {}").format(
                sql.Identifier(login), database, sql.Identifier(name), sql.Literal(value)
            )
        )


def configuration_of_logins(statement: float, lock: float) -> Iterator[tuple[str, str, str]]:
    """What each login has set: the login, the parameter, the value.

    Args:
        statement: After how many seconds a statement of the API is given up.
        lock: After how many seconds the wait for a lock is.
    """
    for login in LOGINS:
        for name, seconds in (
            ("statement_timeout", longest_statement(statement, login)),
            ("lock_timeout", lock),
            ("idle_in_transaction_session_timeout", statement * 2),
        ):
            yield login, name, f"{round(seconds * 1000)}ms"
        yield login, "timezone", "UTC"
