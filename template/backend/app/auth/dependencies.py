"""An endpoint says in its signature who may call it: `access: Annotated[Access, requires(…)]`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.identity import Identity
from app.auth.permissions import ROLES, Permission, Role
from app.auth.verifier import InvalidToken, KeysUnavailable
from app.database import Session
from app.logs import bind_actor
from app.security.problems import Problem
from app.tenancy.session import Standing, transaction

_bearer = HTTPBearer(auto_error=False, description="A token of the sign-in provider.")
_RECORD_DENIED = text("select audit.record_event('access.denied', jsonb_build_object('path', :path))")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, as the database knows them now."""

    user_id: UUID
    organization_id: UUID | None
    role: Role | None
    permissions: frozenset[Permission]
    identity: Identity


@dataclass(frozen=True, slots=True)
class Access:
    """What an endpoint gets to work with: who is calling, and what they can see."""

    principal: Principal
    session: Session


async def authenticate(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Identity:
    """Verify the bearer token, or refuse with 401 (or 503 while the provider's keys are away)."""
    if credentials is None:
        raise _unauthorized("Send a token: Authorization: Bearer <token>.")
    try:
        identity: Identity = await request.app.state.verifier.verify(credentials.credentials)
    except InvalidToken as error:
        raise _unauthorized(error.detail) from error
    except KeysUnavailable as error:
        raise Problem(
            503,
            "Sign-in is unavailable",
            "The sign-in provider's keys cannot be fetched now. Try again in a moment.",
            headers={"Retry-After": "5"},
        ) from error
    await request.app.state.principal_limit.check(identity.subject)
    return identity


class _Requires:
    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    async def __call__(
        self, request: Request, identity: Annotated[Identity, Depends(authenticate)]
    ) -> AsyncIterator[Access]:
        engine: AsyncEngine = request.app.state.engine
        claims, request_id = identity.claims(), request.state.request_id
        async with transaction(engine, claims, request_id) as (session, standing):
            principal = principal_of(identity, standing)
            bind_actor(
                request.scope, user_id=principal.user_id, organization_id=principal.organization_id
            )
            refusal = self._refusal(principal)
            if refusal is None:
                yield Access(principal, session)
                return
            await session.execute(_RECORD_DENIED, {"path": request.url.path})
        raise refusal

    def _refusal(self, principal: Principal) -> Problem | None:
        if self.permission is None or self.permission in principal.permissions:
            return None
        if principal.organization_id is not None:
            detail = f'The role "{principal.role}" does not have the permission {self.permission}.'
        elif principal.identity.organization is None:
            detail = "This needs an organization, and the token names none: choose one, then retry."
        else:
            detail = "You are not a member of this organization."
        return Problem(403, "Not allowed", detail)


def requires(permission: Permission) -> Any:
    """A dependency that gives an `Access` to callers whose role has the permission, others 403.

    The transaction commits after the endpoint returned and before its answer is sent: who reads
    success can rely on it.
    """
    return Depends(_Requires(permission), scope="function")


def signed_in() -> Any:
    """A dependency for what every signed-in person may do, in an organization or not."""
    return Depends(_Requires(None), scope="function")


def principal_of(identity: Identity, standing: Standing) -> Principal:
    """The principal that a token and the database's answer to it make together."""
    if standing.user_id is None:
        raise RuntimeError("app.sign_in left a verified user unknown")
    role = next((known for known in ROLES if known == standing.role), None)
    return Principal(
        user_id=standing.user_id,
        organization_id=standing.organization_id,
        role=role,
        permissions=ROLES[role] if role else frozenset(),
        identity=identity,
    )


def _unauthorized(detail: str) -> Problem:
    return Problem(
        401, "Not signed in", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )
