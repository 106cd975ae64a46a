"""Supabase: https://supabase.com/docs. Its `postgres` is no superuser, but has BYPASSRLS."""

from sqlalchemy import URL

from app.hosts import data_api
from app.hosts.addresses import pgbouncer_in
from app.hosts.roles import OWNS_THE_TABLES

NAME = "Supabase"
# A project's server has a certificate of Supabase's own authority, which the dashboard gives out.
ROOT_CERTIFICATES: str | None = None
VERIFIES = True
HASHES_PASSWORDS = True
SHARED = "aws-0-eu-central-1.pooler.supabase.com:6543"
DIRECT = (
    "db.<project>.supabase.co:5432, or port 5432 of the pooler's host, which is in session mode"
)
PREPARE: str | None = "hosts/supabase.sql"
SCHEMAS = (
    "^(auth|storage|realtime|_realtime|extensions|graphql|graphql_public|vault|pgbouncer|net|cron|"
    "pgmq|pgsodium|pgsodium_masks|supabase_functions|supabase_migrations|_analytics|_supavisor)$"
)
# Whoever owns the tables could open them in any case; that is `postgres`. The others are its own:
# https://github.com/supabase/postgres, migrations/db.
ADMIN_LOGINS = f"""{OWNS_THE_TABLES}
    or r.rolname in ('supabase_read_only_user', 'supabase_etl_admin')"""
CHECKS = data_api.CHECKS

_TRANSACTION_MODE = 6543


def way_of(address: URL) -> str | None:
    """What says that an address leads through a pooler in transaction mode, if anything does.

    Port 6543 is Supavisor's, and PgBouncer's on the project's own host. Port 5432 of Supavisor is
    in session mode: a connection there is one of the server's for as long as it lasts.
    """
    return "port 6543" if address.port == _TRANSACTION_MODE else pgbouncer_in(address)


def login_as(role: str, user: str) -> str:
    """What stands in an address for a role, where `user` stands for another.

    Supavisor serves many projects, and is told which by what follows the role: `app_api.abcdefgh`.
    """
    _, dot, project = user.partition(".")
    return f"{role}{dot}{project}"
