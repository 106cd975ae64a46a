"""Clerk's events: https://clerk.com/docs/guides/development/webhooks/overview.

Clerk sends them by Svix, several times and in no order; `timestamp` says when each happened.
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from app.auth.changes import (
    Change,
    MemberChanged,
    MemberRemoved,
    OrganizationChanged,
    OrganizationDeleted,
    UnreadableEventError,
    UserChanged,
    UserDeleted,
)
from app.auth.permissions import role_named

_FIRST_MILLISECONDS = 100_000_000_000
"""As seconds, this would be in the year 5138."""


class _Event(msgspec.Struct):
    type: str
    timestamp: int
    data: msgspec.Raw


class _Verification(msgspec.Struct):
    status: str | None = None


class _Address(msgspec.Struct):
    id: str
    email_address: str
    verification: _Verification | None = None


class _User(msgspec.Struct):
    id: str
    first_name: str | None = None
    last_name: str | None = None
    email_addresses: list[_Address] = []
    primary_email_address_id: str | None = None


class _Organization(msgspec.Struct):
    id: str
    name: str | None = None
    slug: str | None = None


class _Person(msgspec.Struct):
    user_id: str


class _Membership(msgspec.Struct):
    organization: _Organization
    public_user_data: _Person
    role: str = ""


class _Gone(msgspec.Struct):
    id: str


def read_event(body: bytes) -> Change | None:
    """What an event says; None if it is of a kind that changes nothing here.

    Raises:
        UnreadableEventError: it is not of the shape that Clerk documents.
    """
    try:
        event = msgspec.json.decode(body, type=_Event)
        read = _READERS.get(event.type)
        return None if read is None else read(_seconds(event.timestamp), event.data)
    except msgspec.MsgspecError as error:
        raise UnreadableEventError(str(error)) from None


def _seconds(timestamp: int) -> float:
    """Clerk sends milliseconds; of the seconds in some of its examples the last moment counts."""
    return timestamp / 1000 if timestamp >= _FIRST_MILLISECONDS else timestamp + 0.999


def _user(as_of: float, data: msgspec.Raw) -> Change:
    user = msgspec.json.decode(data, type=_User)
    address = next((a.email_address for a in user.email_addresses if _is_own(a, user)), None)
    name = " ".join(part for part in (user.first_name, user.last_name) if part)
    return UserChanged(as_of, user.id, address, name or None)


def _is_own(address: _Address, user: _User) -> bool:
    verification = address.verification
    is_verified = verification is not None and verification.status == "verified"
    return is_verified and address.id == user.primary_email_address_id


def _user_gone(as_of: float, data: msgspec.Raw) -> Change:
    return UserDeleted(as_of, msgspec.json.decode(data, type=_Gone).id)


def _organization(as_of: float, data: msgspec.Raw) -> Change:
    told = msgspec.json.decode(data, type=_Organization)
    return OrganizationChanged(as_of, told.id, told.slug, told.name)


def _organization_gone(as_of: float, data: msgspec.Raw) -> Change:
    return OrganizationDeleted(as_of, msgspec.json.decode(data, type=_Gone).id)


def _member(as_of: float, data: msgspec.Raw, *, joined: bool = False) -> Change:
    told = msgspec.json.decode(data, type=_Membership)
    # `org:admin` in events, `admin` in tokens.
    role = role_named(told.role.removeprefix("org:"))
    who = told.public_user_data.user_id
    return MemberChanged(as_of, told.organization.id, who, role, joined=joined)


def _member_gone(as_of: float, data: msgspec.Raw) -> Change:
    told = msgspec.json.decode(data, type=_Membership)
    return MemberRemoved(as_of, told.organization.id, told.public_user_data.user_id)


_READERS: Mapping[str, Callable[[float, msgspec.Raw], Change]] = {
    "user.created": _user,
    "user.updated": _user,
    "user.deleted": _user_gone,
    "organization.created": _organization,
    "organization.updated": _organization,
    "organization.deleted": _organization_gone,
    "organizationMembership.created": partial(_member, joined=True),
    "organizationMembership.updated": _member,
    "organizationMembership.deleted": _member_gone,
}
