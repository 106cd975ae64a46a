"""Roles and permissions where tenants are people."""

from app.auth.permissions import Role

__all__ = ["ROLES", "UNUSED"]

ROLES: tuple[Role, ...] = ("owner",)
"""The roles that somebody can have."""

UNUSED: frozenset[str] = frozenset({"organization", "members", "invitations"})
"""What permissions speak of elsewhere and there is nothing of here."""
