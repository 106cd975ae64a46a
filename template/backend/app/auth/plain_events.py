"""Events of whatever stands between the product and a provider that sends none of its own.

An Action, a database trigger, a SCIM bridge or a few lines of your own turn what they hear into one
of these, and sign it by Standard Webhooks (https://www.standardwebhooks.com):

    {"type": "membership.deleted", "timestamp": "2026-01-31T12:00:00Z",
     "data": {"organization_id": "…", "user_id": "…"}}
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated

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

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class _Event(msgspec.Struct):
    type: str
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    data: msgspec.Raw


class _User(msgspec.Struct):
    user_id: _Id
    email: str | None = None
    name: str | None = None


class _Organization(msgspec.Struct):
    organization_id: _Id
    slug: str | None = None
    name: str | None = None


class _Membership(msgspec.Struct):
    organization_id: _Id
    user_id: _Id
    role: str = ""


def read_event(body: bytes) -> Change | None:
    """What an event says; None if it is of a kind that changes nothing here.

    Raises:
        UnreadableEventError: it is not of the shape above.
    """
    try:
        event = msgspec.json.decode(body, type=_Event)
        read = _READERS.get(event.type)
        return None if read is None else read(event.timestamp.timestamp(), event.data)
    except msgspec.MsgspecError as error:
        raise UnreadableEventError(str(error)) from None


def _user(as_of: float, data: msgspec.Raw) -> Change:
    told = msgspec.json.decode(data, type=_User)
    return UserChanged(as_of, told.user_id, told.email, told.name)


def _user_gone(as_of: float, data: msgspec.Raw) -> Change:
    return UserDeleted(as_of, msgspec.json.decode(data, type=_User).user_id)


def _organization(as_of: float, data: msgspec.Raw) -> Change:
    told = msgspec.json.decode(data, type=_Organization)
    return OrganizationChanged(as_of, told.organization_id, told.slug, told.name)


def _organization_gone(as_of: float, data: msgspec.Raw) -> Change:
    told = msgspec.json.decode(data, type=_Organization)
    return OrganizationDeleted(as_of, told.organization_id)


def _member(as_of: float, data: msgspec.Raw, *, joined: bool = False) -> Change:
    told = msgspec.json.decode(data, type=_Membership)
    role = role_named(told.role)
    return MemberChanged(as_of, told.organization_id, told.user_id, role, joined=joined)


def _member_gone(as_of: float, data: msgspec.Raw) -> Change:
    told = msgspec.json.decode(data, type=_Membership)
    return MemberRemoved(as_of, told.organization_id, told.user_id)


_READERS: Mapping[str, Callable[[float, msgspec.Raw], Change]] = {
    "user.created": _user,
    "user.updated": _user,
    "user.deleted": _user_gone,
    "organization.created": _organization,
    "organization.updated": _organization,
    "organization.deleted": _organization_gone,
    "membership.created": partial(_member, joined=True),
    "membership.updated": _member,
    "membership.deleted": _member_gone,
}
