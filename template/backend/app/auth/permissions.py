"""The one table of who may do what."""

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Role: TypeAlias = Literal["owner", "admin", "member", "viewer"]

Permission: TypeAlias = Literal[
    "organization:read",
    "organization:write",
    "contacts:read",
    "contacts:write",
    "imports:read",
    "imports:write",
    "realtime:connect",
    "members:read",
    "members:write",
    "audit:read",
    "api_keys:read",
    "api_keys:write",
]

MEANINGS: Mapping[Permission, str] = {
    "organization:read": "See the organization, and leave it",
    "organization:write": "Rename the organization",
    "contacts:read": "See contacts",
    "contacts:write": "Add, change and delete contacts",
    "imports:read": "See imports, and download the rows that were rejected",
    "imports:write": "Upload a file of contacts",
    "realtime:connect": "Be told of changes as they happen",
    "members:read": "See who belongs to the organization",
    "members:write": "Invite, change and remove members",
    "audit:read": "See who changed what, and when",
    "api_keys:read": "See API keys: one's own, or as an admin all",
    "api_keys:write": "Make API keys for oneself, and revoke those that one sees",
}
"""What each permission lets somebody do, for people."""

_VIEWER: frozenset[Permission] = frozenset(
    {"organization:read", "contacts:read", "imports:read", "realtime:connect"}
)
_MEMBER: frozenset[Permission] = _VIEWER | {
    "contacts:write",
    "imports:write",
    "members:read",
    "api_keys:read",
    "api_keys:write",
}
_ADMIN: frozenset[Permission] = _MEMBER | {"organization:write", "members:write", "audit:read"}

ROLES: Mapping[Role, frozenset[Permission]] = {
    "owner": frozenset(get_args(Permission)),
    "admin": _ADMIN,
    "member": _MEMBER,
    "viewer": _VIEWER,
}


NO_SCOPES: frozenset[Permission] = frozenset(
    {"organization:write", "members:write", "api_keys:write"}
)
"""What no API key may do: whoever finds one must not be able to let others in, or to stay."""


def scopes_within(permissions: frozenset[Permission]) -> frozenset[Permission]:
    """What who has these permissions may let an API key do: nothing, unless they may make keys."""
    return permissions - NO_SCOPES if "api_keys:write" in permissions else frozenset()


def role_named(name: str) -> Role:
    """The role that a provider calls `name`; one that nobody here knows may only look."""
    for role in ROLES:
        if role == name:
            return role
    return "viewer"
