"""Roles and permissions where tenants are organizations."""

from app.auth.permissions import ROLES as PERMISSIONS
from app.auth.permissions import Role

__all__ = ["ROLES", "UNUSED"]

ROLES: tuple[Role, ...] = tuple(PERMISSIONS)
"""The roles that somebody can have."""

UNUSED: frozenset[str] = frozenset()
"""What permissions speak of elsewhere and there is nothing of here."""
