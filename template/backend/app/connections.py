"""Connections that notice when the server, or what leads to it, is gone without a word."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any, Self

import psycopg
import structlog
from psycopg.abc import RV, PQGen

log = structlog.get_logger(__name__)

# A machine that dies says no goodbye. Linux would send what was asked again for a quarter of an
# hour, and look after a connection that is silent every two hours:
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
_SIGNS_OF_LIFE: Mapping[str, int] = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


class Connection(psycopg.AsyncConnection[Any]):
    """A connection that is given up once its server is silent for too long."""

    patience: float | None = None
    """Seconds that an answer may take. A server that works ends each statement before; one that
    hangs, or a pooler that does, keeps the connection open and never answers."""

    @classmethod
    async def connect(cls, *args: Any, **options: Any) -> Self:
        """Connect as psycopg does, and have the system look after the connection."""
        return await super().connect(*args, **{**_SIGNS_OF_LIFE, **options})

    async def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        """Wait as psycopg does, for as long as there is patience.

        Raises:
            psycopg.OperationalError: the connection is lost, or has been given up.
        """
        if self.patience is None:
            return await super().wait(gen, *args, **options)
        limit = asyncio.get_running_loop().call_later(self.patience, self._hang_up)
        try:
            return await super().wait(gen, *args, **options)
        finally:
            limit.cancel()

    def _hang_up(self) -> None:
        """Have whoever waits learn what they would if the server had hung up."""
        log.warning("database.silent", seconds=self.patience)
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as connected:
            connected.shutdown(socket.SHUT_RDWR)
