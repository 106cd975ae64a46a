"""A server of one's own: a role that may create roles and owns its database."""

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

POOLED = ("postgresql://app_api:p@db.example.com:6432/app", "postgresql://app_api:p@pgbouncer/app")
DIRECT = ("postgresql://app_api:p@db.example.com/app", "postgresql://app_api:p@10.0.0.5:5433/app")
NAMED = {"migrator": "app_api"}
SERVER = "db.example.com"
POOLER = Place(SERVER, 6432)

API_ROLES: tuple[str, ...] = ()
MUTATIONS: tuple[tuple[str, str, str], ...] = ()


def prepare_server(_admin: psycopg.Connection[Any]) -> None:
    """Nothing: so is every server that these tests start."""


def prepare_database(_admin: psycopg.Connection[Any]) -> None:
    """Nothing either."""
