"""Logging in while the login's password is changed.

A role has one password, so a process would be locked out between the change and its restart. It can
be told the next one beforehand, and goes over to it by itself once the present one does not count.
"""

from typing import Any, Self

import psycopg
import structlog
from pydantic import SecretStr

from app.connections import Connection

log = structlog.get_logger(__name__)


LEAST_LENGTH = 20


def is_guessable(password: str) -> bool:
    """Whether a password is too short, or too much of the same, to be a random one."""
    return len(password) < LEAST_LENGTH or len(set(password)) < LEAST_LENGTH // 2


def connection_class(next_password: SecretStr | None) -> type[Connection]:
    """Connections that log in with the next password where the present one does not count.

    The server does not say in a way that a program can read why it lets nobody in, so each failure
    is answered with one more attempt. What worked is tried first from then on: a host may shut out
    who fails too often.
    """
    if next_password is None:
        return Connection
    secret = next_password.get_secret_value()

    class Rotating(Connection):
        has_changed = False

        @classmethod
        async def connect(cls, *args: Any, **options: Any) -> Self:
            changed = {**options, "password": secret}
            first, second = (changed, options) if cls.has_changed else (options, changed)
            try:
                return await super().connect(*args, **first)
            except psycopg.OperationalError:
                connection = await super().connect(*args, **second)
            cls.has_changed = not cls.has_changed
            log.info("database.password_changed", is_next=cls.has_changed)
            return connection

    return Rotating
