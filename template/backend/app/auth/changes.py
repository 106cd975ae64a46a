"""What a provider tells of its people, in the same words for every provider."""

from typing import TypeAlias

import msgspec


class UserChanged(msgspec.Struct, tag="user_changed", frozen=True):
    """A person was made or changed. What is None is not told.

    Attributes:
        as_of: when, in Unix seconds by the provider's clock; so in every change.
    """

    as_of: float
    subject: str
    email: str | None = None
    name: str | None = None


class UserDeleted(msgspec.Struct, tag="user_deleted", frozen=True):
    """A person may not sign in any more, for good."""

    as_of: float
    subject: str


class OrganizationChanged(msgspec.Struct, tag="organization_changed", frozen=True):
    """An organization was made or renamed."""

    as_of: float
    organization: str
    slug: str | None = None
    name: str | None = None


class OrganizationDeleted(msgspec.Struct, tag="organization_deleted", frozen=True):
    """An organization is no more."""

    as_of: float
    organization: str


class MemberChanged(msgspec.Struct, tag="member_changed", frozen=True):
    """Somebody belongs to an organization, in a role.

    Attributes:
        joined: whether this begins a membership, which brings back who was removed before.
    """

    as_of: float
    organization: str
    subject: str
    role: str
    joined: bool = False


class MemberRemoved(msgspec.Struct, tag="member_removed", frozen=True):
    """Somebody does not belong to an organization any more."""

    as_of: float
    organization: str
    subject: str


Change: TypeAlias = (
    UserChanged
    | UserDeleted
    | OrganizationChanged
    | OrganizationDeleted
    | MemberChanged
    | MemberRemoved
)


class UnreadableEventError(ValueError):
    """An event of a known type that does not say what it should."""
