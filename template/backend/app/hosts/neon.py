"""Neon: https://neon.com/docs. Its owner is no superuser, but has BYPASSRLS."""

import certifi
from sqlalchemy import URL

from app.hosts.addresses import pgbouncer_in
from app.hosts.roles import OWNS_THE_TABLES

NAME = "Neon"
# Neon's servers have certificates of a public authority.
ROOT_CERTIFICATES: str | None = certifi.where()
VERIFIES = True
# https://neon.com/docs/manage/roles#manage-roles-with-sql: it stores the password itself.
HASHES_PASSWORDS = False
SHARED = "ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech"
DIRECT = "the same host without -pooler"
PREPARE: str | None = None
SCHEMAS = "^(neon|neon_auth)$"
# Whoever owns the tables could open them in any case. A role made in the console, by the API or by
# neonctl is a member of neon_superuser, and has BYPASSRLS as well: that one is reported.
ADMIN_LOGINS = OWNS_THE_TABLES
CHECKS: tuple[tuple[str, str, str], ...] = ()


def way_of(address: URL) -> str | None:
    """What says that an address leads through a pooler in transaction mode, if anything does."""
    name = (address.host or "").partition(".")[0]
    return f"the host {name}…" if name.endswith("-pooler") else pgbouncer_in(address)


def login_as(role: str, _user: str) -> str:
    """What stands in an address for a role, where `_user` stands for another."""
    return role
