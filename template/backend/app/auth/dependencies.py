"""An endpoint says in its signature who may call it: `access: Annotated[Access, requires(…)]`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.auth.errors import InvalidToken, KeysUnavailable, www_authenticate
from app.auth.identity import Identity
from app.auth.keys import PREFIX, RefusedKey, read_key
from app.auth.permissions import ROLES, Permission, Role, role_named
from app.choices import tenancy
from app.database import Session
from app.repeat import note_replica, reads_elsewhere
from app.request_log import bind_actor, bind_key
from app.security.problems import Problem
from app.settings import Settings
from app.statements import first
from app.storage import Files, Storage
from app.tenancy.session import Standing, transaction

log = structlog.get_logger()
_NOT_READY_SECONDS = 5

NAMED_ORGANIZATION = "X-Organization"
"""The header with which a request names an organization, by our id, if its token names none."""

_bearer = HTTPBearer(
    auto_error=False, description="A token of the sign-in provider, or an API key."
)
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    role: frozenset(name for name in may if name.partition(":")[0] not in tenancy.UNUSED)
    for role, may in ROLES.items()
}
_BAD_KEY = RefusedKey("the database knows no such key that is good")
_USED = text("""
    select k.scopes, k.expires_at, app.note_key_use() from app.api_keys k where k.id = :key_id
""")
_RECORD_DENIED = text("""
    select audit.record_event('access.denied', jsonb_build_object('path', cast(:path as text)))
""")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, as the database knows them now."""

    user_id: UUID
    tenant_id: UUID | None
    role: Role | None
    permissions: frozenset[Permission]
    identity: Identity


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, for an endpoint that waits for the network between its transactions."""

    principal: Principal
    request_id: str
    engine: AsyncEngine
    storage: Storage
    settings: Settings

    @property
    def files(self) -> Files:
        """The files of the caller's tenant."""
        if self.principal.tenant_id is None:
            raise RuntimeError("no permission without a tenant, so no caller without one")
        return self.storage.of(self.principal.tenant_id)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """A transaction of its own, in which the caller's tenant and role are proven again."""
        claims = self.principal.identity.claims()
        async with transaction(self.engine, claims, self.request_id) as (session, standing):
            if (refusal := closed(standing)) is not None:
                raise refusal
            if principal_of(self.principal.identity, standing) != self.principal:
                raise Problem(403, "Not allowed", "What you may do has just changed.")
            yield session

    async def prove_again(self) -> None:
        """See that the caller may still do what they began, before telling them that it is done.

        Rows that end may have ended, or have gone out of sight between the proof and the reading,
        when the caller lost the right to them. A file that breaks off then must not look complete.

        Raises:
            Problem: they may not.
        """
        async with self.transaction():
            pass


@dataclass(frozen=True, slots=True)
class Access:
    """Who is calling, and a session that sees what they can see."""

    principal: Principal
    session: Session
    settings: Settings


async def _authenticate(
    request: Request, credentials: HTTPAuthorizationCredentials | None
) -> Identity:
    """Verify the bearer token, or refuse with 401 (or 503 while the provider's keys are away).

    Where the token leaves the tenant open, the request may name one.
    """
    if credentials is None:
        raise _unauthorized("Send a token: Authorization: Bearer <token>.", None)
    if len(request.headers.getlist("Authorization")) > 1:
        # Whatever stands before the API may have looked at the other one.
        raise _unauthorized("Send one Authorization header.", None)
    token = credentials.credentials
    try:
        if token.startswith(PREFIX):
            identity = read_key(token)
            bind_key(request, identity.key_id)
        else:
            identity = await request.app.state.verifier.verify(token)
    except InvalidToken as error:
        log.info("token.refused", reason=error.reason)
        raise _unauthorized(error.detail, error) from error
    except KeysUnavailable as error:
        raise Problem(
            503,
            "Sign-in is unavailable",
            "The sign-in provider's keys cannot be fetched now. Try again in a moment.",
            headers={"Retry-After": str(error.retry_after)},
        ) from error
    await request.app.state.principal_limit.check(identity.subject)
    named = _named(request)
    if named is None or identity.tenant_id == named:
        return identity
    if identity.key_id is not None:
        raise Problem(403, "Not allowed", "This API key is for another organization.")
    return replace(identity, tenant_id=named)


def _named(request: Request) -> UUID | None:
    values = request.headers.getlist(NAMED_ORGANIZATION)
    if not values:
        return None
    try:
        [value] = values
        return UUID(value)
    except ValueError:
        raise Problem(
            400, "Invalid header", f"{NAMED_ORGANIZATION} must be one organization's id, a UUID."
        ) from None


@asynccontextmanager
async def _prove(
    request: Request,
    credentials: HTTPAuthorizationCredentials | None,
    permission: Permission | None,
    *,
    alone: bool = False,
    is_whole: bool = False,
) -> AsyncIterator[Access]:
    identity = await _authenticate(request, credentials)
    if alone:
        if identity.key_id is not None:
            raise Problem(403, "Not allowed", "No API key may do this: sign in.")
        identity = identity.alone()
    async with _opened(request, identity, is_whole=is_whole) as (session, standing):
        refusal = _unproven(identity, standing)
        if refusal is None:
            if identity.key_id is not None:
                identity = await _used(session, identity)
            principal = principal_of(identity, standing)
            bind_actor(request, actor_id=principal.user_id, tenant_id=principal.tenant_id)
            refusal = _refusal(principal, permission)
        if refusal is None:
            yield Access(principal, session, request.app.state.settings)
        elif standing.user_id is not None:
            await session.execute(_RECORD_DENIED, {"path": request.url.path})
    if refusal is not None:
        raise refusal


@asynccontextmanager
async def _opened(
    request: Request, identity: Identity, *, is_whole: bool
) -> AsyncIterator[tuple[Session, Standing]]:
    """The transaction of a request, which may be on a replica.

    Args:
        request: The request.
        identity: Who is asking. A key's use is written down, so a key is not asked about elsewhere.
        is_whole: Whether this transaction is all that the request does.
    """
    state, request_id = request.app.state, request.state.request_id
    claims = identity.claims()
    if (
        state.replica is None
        or not is_whole
        or identity.key_id is not None
        or not reads_elsewhere(request)
    ):
        async with transaction(state.engine, claims, request_id) as opened:
            yield opened
        return
    async with state.replica.transaction(claims, request_id) as (session, standing, where):
        if where == "replica":
            note_replica(request)
        yield session, standing


def closed(standing: Standing) -> Problem | None:
    """What to answer where nobody is served, for good or for a moment; else None."""
    if standing.obstacle is None:
        if standing.user_id is not None:
            return None
        return Problem(403, "Not allowed", "This account is closed.", type="account-closed")
    if standing.obstacle in {"new", "behind", "moved"}:
        return Problem(
            503,
            f"The {tenancy.TENANT} is not ready",
            "Its tables are being brought up to date. Try again in a moment.",
            type="tenant-not-ready",
            headers={"Retry-After": str(_NOT_READY_SECONDS)},
        )
    return Problem(
        403,
        f"The {tenancy.TENANT} is {standing.obstacle}",
        f"Nothing of this {tenancy.TENANT} can be read or changed. Ask support about it.",
        type=f"tenant-{standing.obstacle}",
    )


def _unproven(identity: Identity, standing: Standing) -> Problem | None:
    """The refusal of who is not served, of a bad key, and of who names an organization of others.

    Whether there is such a key, or such an organization, does not show.
    """
    if identity.key_id is not None and standing.user_id is None:
        return _unauthorized(_BAD_KEY.detail, _BAD_KEY)
    if standing.obstacle is None and identity.tenant_id not in {None, standing.tenant_id}:
        return Problem(403, "Not allowed", "You are not a member of this organization.")
    return closed(standing)


async def _used(session: Session, identity: Identity) -> Identity:
    """The identity with what the key is limited to; the database notes that it is in use."""
    row = await first(session, _USED, {"key_id": identity.key_id})
    if row is None:
        raise RuntimeError("a key that was proven cannot be seen by its person")
    scopes, expires_at, _ = row
    return replace(identity, scopes=frozenset(scopes), expires_at=int(expires_at.timestamp()))


def _refusal(principal: Principal, permission: Permission | None) -> Problem | None:
    if permission is None or permission in principal.permissions:
        return None
    if principal.tenant_id is not None:
        who = f'role "{principal.role}"' if principal.identity.scopes is None else "API key"
        detail = f"The {who} does not have the permission {permission}."
    else:
        detail = tenancy.why_no_tenant(principal.identity)
    return Problem(403, "Not allowed", detail)


class _Requires:
    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    async def __call__(self, request: Request, credentials: _Bearer) -> AsyncIterator[Access]:
        async with _prove(request, credentials, self.permission, is_whole=True) as access:
            yield access


class _CallerWith:
    def __init__(self, permission: Permission | None, *, alone: bool = False) -> None:
        self.permission = permission
        self.alone = alone

    async def __call__(self, request: Request, credentials: _Bearer) -> Caller:
        async with _prove(request, credentials, self.permission, alone=self.alone) as access:
            state = request.app.state
            return Caller(
                access.principal,
                request.state.request_id,
                state.engine,
                state.storage,
                access.settings,
            )


def requires(permission: Permission) -> Any:
    """A dependency that gives an `Access` to callers whose role has the permission, others 403.

    The transaction commits after the endpoint returned and before its answer is sent: who reads
    success can rely on it.
    """
    return Depends(_Requires(permission), scope="function")


def signed_in() -> Any:
    """A dependency for what every signed-in person may do, with a tenant or without."""
    return Depends(_Requires(None), scope="function")


def caller_with(permission: Permission) -> Any:
    """Like `requires`, for long transfers: no transaction stays open while the network is slow."""
    return Depends(_CallerWith(permission), scope="function")


def person() -> Any:
    """A dependency that gives the `Caller` for what people do as nobody's member.

    Whatever organization the token or the request names does not count.
    """
    return Depends(_CallerWith(None, alone=True), scope="function")


def principal_of(identity: Identity, standing: Standing) -> Principal:
    """The principal that a token and the database's answer to it make together."""
    if standing.user_id is None:
        raise RuntimeError("app.sign_in left a verified user unknown")
    role = role_named(standing.role) if standing.role else None
    permissions = _PERMISSIONS[role] if role else frozenset()
    return Principal(
        user_id=standing.user_id,
        tenant_id=standing.tenant_id,
        role=role,
        permissions=permissions if identity.scopes is None else permissions & identity.scopes,
        identity=identity,
    )


def _unauthorized(detail: str, refused: InvalidToken | None) -> Problem:
    headers = {"WWW-Authenticate": www_authenticate(refused)}
    return Problem(401, "Not signed in", detail, headers=headers)
