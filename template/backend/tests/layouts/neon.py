"""A Neon branch: its owner has BYPASSRLS, and may read and write whatever there is.

https://neon.com/docs/manage/roles#the-neonsuperuser-role
"""

from typing import Any

import psycopg

from tests.pooler import Place

__all__ = [
    "API_ROLES",
    "DIRECT",
    "MUTATIONS",
    "NAMED",
    "POOLED",
    "POOLER",
    "SERVER",
    "prepare_database",
    "prepare_server",
]

_NAME = "ep-cool-name-123456"
POOLED = (
    f"postgresql://app_api:p@{_NAME}-pooler.eu-central-1.aws.neon.tech/neondb",
    "postgresql://app_api:p@db.example.com:6432/app",
)
DIRECT = (
    f"postgresql://app_api:p@{_NAME}.eu-central-1.aws.neon.tech/neondb",
    # A name with the word in it is no pooler's yet.
    "postgresql://app_api:p@ep-pooler-name-1.eu-central-1.aws.neon.tech/neondb",
)
NAMED = {"neondb_owner": "app_api"}
SERVER = f"{_NAME}.eu-central-1.aws.neon.tech"
POOLER = Place(f"{_NAME}-pooler.eu-central-1.aws.neon.tech", 5432)

API_ROLES: tuple[str, ...] = ()
MUTATIONS: tuple[tuple[str, str, str], ...] = ()

_ROLES = """
create role cloud_admin superuser;
create role neon_superuser nologin createdb createrole replication bypassrls;
grant pg_read_all_data, pg_write_all_data, pg_monitor to neon_superuser;
alter role migrator nosuperuser createdb createrole replication bypassrls;
grant neon_superuser to migrator;
"""

_DATABASE = """
create schema neon authorization cloud_admin;
create table neon.lsn (is_here boolean);
grant usage on schema neon to public;
"""


def prepare_server(admin: psycopg.Connection[Any]) -> None:
    admin.execute(_ROLES)


def prepare_database(admin: psycopg.Connection[Any]) -> None:
    admin.execute(_DATABASE)
