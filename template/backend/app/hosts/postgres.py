"""Any Postgres on which roles can be created: your own, RDS, Cloud SQL and their like."""

import certifi
from sqlalchemy import URL

from app.hosts.addresses import pgbouncer_in

NAME = "Postgres"
ROOT_CERTIFICATES: str | None = certifi.where()
VERIFIES = False
HASHES_PASSWORDS = True
SHARED = "port 6432 of PgBouncer"
DIRECT = "port 5432 of the server"
PREPARE: str | None = None
SCHEMAS = "^$"
ADMIN_LOGINS = "false"
CHECKS: tuple[tuple[str, str, str], ...] = ()


def way_of(address: URL) -> str | None:
    """What says that an address leads through a pooler in transaction mode, if anything does."""
    return pgbouncer_in(address)


def login_as(role: str, _user: str) -> str:
    """What stands in an address for a role, where `_user` stands for another."""
    return role
