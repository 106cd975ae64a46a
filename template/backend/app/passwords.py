"""The passwords of the logins, on every server of the product."""

from collections.abc import Iterator

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from app.choices import host, tenancy
from app.database import psycopg_url
from app.settings import Settings

LOGINS = ("app_api", "app_worker")


def set_passwords(owner: psycopg.Connection, settings: Settings) -> list[str]:
    """Set the passwords that the settings have, for every database of one server.

    Returns:
        Whose.
    """
    found = list(_given(settings))
    for login, password in found:
        if host.HASHES_PASSWORDS:
            # Hashed here, so that the password itself never reaches the server's log.
            password = owner.pgconn.encrypt_password(  # noqa: PLW2901
                password.encode(), login.encode(), b"scram-sha-256"
            ).decode()
        owner.execute(
            sql.SQL("alter role {} login password {}").format(
                sql.Identifier(login), sql.Literal(password)
            )
        )
    return [login for login, _ in found]


def rotate(settings: Settings) -> list[str]:
    """Set the passwords on each server of the product, and log in with each of them.

    Returns:
        Whose passwords are set.

    Raises:
        SystemExit: there is nothing to set, or nobody to do it.
        psycopg.OperationalError: a server does not let in whoever has the new password.
    """
    if settings.migration_database_url is None:
        raise SystemExit("MIGRATION_DATABASE_URL is not set: passwords are set as that role.")
    if not list(_given(settings)):
        raise SystemExit("Neither APP_API_PASSWORD nor APP_WORKER_PASSWORD is set.")
    done: set[tuple[str | None, int | None]] = set()
    names: list[str] = []
    for url in tenancy.databases_of(
        psycopg_url(settings.migration_database_url.get_secret_value())
    ):
        address = make_url(url)
        if (address.host, address.port) in done:
            continue
        done.add((address.host, address.port))
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as owner:
            names = set_passwords(owner, settings)
        for login, password in _given(settings):
            user = host.login_as(login, address.username or "")
            as_login = address.set(username=user, password=password)
            psycopg.connect(
                as_login.render_as_string(hide_password=False), connect_timeout=10
            ).close()
    return names


def _given(settings: Settings) -> Iterator[tuple[str, str]]:
    passwords = (settings.app_api_password, settings.app_worker_password)
    for login, password in zip(LOGINS, passwords, strict=True):
        if password is not None:
            yield login, password.get_secret_value()
