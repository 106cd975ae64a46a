"""What travels to browsers, and what a message broker must do to carry it.

Realtime is a hint that something changed; the database is the truth. So publishing never fails
the work that it reports, and who cannot be brought up to date is told to look at the database.
"""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, Self
from uuid import UUID

import msgspec

MAX_EVENT_BYTES = 16 * 1024
"""Longest type and data of one event as JSON. A bigger one is logged and dropped."""

KEPT_EVENTS = 1000
"""So many of a tenant's latest events, or a few more, can be replayed."""

KEPT_SECONDS = 24 * 3600
"""An event may be forgotten when it is older than this."""

_POSITION = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_LARGEST_PART = 2**64 - 1

encode = msgspec.json.encode


class Position(NamedTuple):
    """Where an event stands among its tenant's events: later ones are greater.

    Written as Redis writes stream ids, `1700000000000-0`. A broker that counts with one number
    leaves the second at 0.
    """

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an event's id.

        Raises:
            ValueError: it is no event's id.
        """
        match = _POSITION.fullmatch(text)
        if match is None:
            raise ValueError("an event id looks like 1700000000000-0")
        position = cls(int(match[1]), int(match[2]))
        if max(position) > _LARGEST_PART:
            raise ValueError("no event has so large an id")
        return position

    def __str__(self) -> str:
        return f"{self.major}-{self.minor}"


START = Position(0, 0)
"""Before the first event."""


class Event(msgspec.Struct, frozen=True):
    """One message to a browser.

    Attributes:
        id: what `last_event_id` resumes after; None for a message that is no event of the tenant.
        type: what happened, such as `import.progress`.
        data: the facts, small: who wants more asks the API.
    """

    id: str | None
    type: str
    data: Mapping[str, object]


class Replay(NamedTuple):
    """What a tenant's events were after some position.

    Attributes:
        events: in order.
        last: the position of the newest event that exists, replayed or not.
        complete: False when events may be missing, because the oldest are forgotten.
    """

    events: Sequence[Event]
    last: Position
    complete: bool


class Joined(NamedTuple):
    """From here on the listener hears every event of the tenant."""

    tenant: UUID


class Heard(NamedTuple):
    """An event of the tenant, in the tenant's order."""

    tenant: UUID
    event: Event


class BrokerUnavailable(Exception):  # noqa: N818  # reads as what it is
    """The message broker cannot be reached or refuses to work."""


class Listener(Protocol):
    """One connection to the broker, hearing the tenants that it was told to."""

    async def join(self, tenants: Collection[UUID]) -> None:
        """Ask to hear these tenants; a `Joined` for each follows.

        Raises:
            BrokerUnavailable: the connection is lost.
        """

    async def leave(self, tenants: Collection[UUID]) -> None:
        """Stop hearing these tenants; what is under way still arrives.

        Raises:
            BrokerUnavailable: the connection is lost.
        """

    def __aiter__(self) -> AsyncIterator[Joined | Heard]:
        """What is heard, until the connection is lost.

        Raises:
            BrokerUnavailable: the connection is lost.
        """


class Channel(Protocol):
    """The way from those who change something to every API process, through one broker."""

    async def publish(self, tenant: UUID, type_: str, data: Mapping[str, object], /) -> None:
        """Tell the tenant's browsers what happened, now and for a while.

        A broker that is down costs the event, never the caller: that is logged. An event whose
        confirmation got lost may be sent again, so events state facts and not differences.
        """

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        """Open one connection.

        Raises:
            BrokerUnavailable: the broker cannot be reached.
        """

    async def replay(self, tenant: UUID, after: Position | None) -> Replay:
        """The tenant's events after a position; with None no events, only where they stand.

        Raises:
            BrokerUnavailable: the broker cannot be reached.
        """

    async def close(self) -> None:
        """Close every connection."""
