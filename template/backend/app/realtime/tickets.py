"""Tickets: how a browser, which cannot send its token with a WebSocket, proves who it is."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.choices import tenancy

LIFETIME = timedelta(seconds=30)
"""Long enough to open a WebSocket with it, too short to be worth stealing."""

_RANDOM_BYTES = 32

# The claims are those that the database has just checked, so a ticket cannot carry others.
_ISSUE = text("""
    insert into app.realtime_tickets (hash, claims, token_expires_at, expires_at)
    values (:hash, app.claims(), :token_expires_at, :expires_at)
""")
_REDEEM = text("select claims, token_expires_at from app.redeem_ticket(:hash)")


class Issued(NamedTuple):
    """A ticket, which only its receiver ever sees, and when it becomes worthless."""

    ticket: str
    expires_at: datetime


class Redeemed(NamedTuple):
    """What a ticket stood for: a token's claims and when that token ends."""

    claims: Mapping[str, Any]
    token_expires_at: datetime


async def issue(session: AsyncConnection, tenant_id: UUID, token_expires_at: int) -> Issued:
    """Write a ticket for the person and the tenant of the session.

    Args:
        session: in which the database has proven both.
        tenant_id: The tenant, whom the ticket names.
        token_expires_at: Unix time in seconds; what the ticket opens ends then.
    """
    lease_end = datetime.fromtimestamp(token_expires_at, UTC)
    ticket = f"{tenant_id.hex}.{secrets.token_urlsafe(_RANDOM_BYTES)}"
    expires_at = min(datetime.now(UTC) + LIFETIME, lease_end)
    await session.execute(
        _ISSUE,
        {
            "hash": _hash(ticket),
            "token_expires_at": lease_end,
            "expires_at": expires_at,
        },
    )
    return Issued(ticket, expires_at)


async def redeem(engine: AsyncEngine, ticket: str) -> Redeemed | None:
    """Spend a ticket. None if it is unknown, used or expired: which of them, nobody learns."""
    # Before it is redeemed nobody has proven anything, so it says where it has to be looked for.
    try:
        tenant_id = UUID(hex=ticket.partition(".")[0])
    except ValueError:
        return None
    async with tenancy.home(engine, tenant_id) as home, home.connect() as session:
        row = (await session.execute(_REDEEM, {"hash": _hash(ticket)})).one_or_none()
        await session.commit()
    return None if row is None else Redeemed(row.claims, row.token_expires_at)


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
