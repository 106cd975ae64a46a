"""A server of one's own: a role that may create roles and owns its database."""

from typing import Any

import psycopg

__all__ = ["API_ROLES", "prepare_database", "prepare_server"]

API_ROLES: tuple[str, ...] = ()


def prepare_server(_admin: psycopg.Connection[Any]) -> None:
    """Nothing: so is every server that these tests start."""


def prepare_database(_admin: psycopg.Connection[Any]) -> None:
    """Nothing either."""
