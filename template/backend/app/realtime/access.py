"""Whether the holder of a socket may still act for its tenant, asked every few seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.permissions import ROLES, Permission, role_named
from app.tenancy.session import transaction

PERMISSION: Permission = "realtime:connect"

_AT_ONCE = 4
"""Checks under way at the same time: most of the connection pool is for requests."""


@dataclass(frozen=True, slots=True)
class Member:
    """Who holds a socket, as the database knows them now."""

    user_id: UUID
    tenant_id: UUID


CheckAccess: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Member | None]]
"""From a token's claims to the member they name; None if the database, asked now, says no."""


def access_checker(engine: AsyncEngine) -> CheckAccess:
    """The check against the database of this process."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def check(claims: Mapping[str, Any]) -> Member | None:
        async with turn, transaction(engine, claims, "realtime") as (_, standing):
            pass
        if standing.user_id is None or standing.tenant_id is None or standing.role is None:
            return None
        if PERMISSION not in ROLES[role_named(standing.role)]:
            return None
        return Member(standing.user_id, standing.tenant_id)

    return check
