"""API keys that the session can see: one's own, or as an admin all of the tenant's."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, insert, select, text, update

from app.auth.dependencies import Caller
from app.auth.keys import make_key
from app.auth.permissions import scopes_within
from app.database import Session
from app.features.api_keys.models import ApiKey, ApiKeyUse
from app.features.api_keys.schemas import ApiKeyOut, NewApiKey
from app.json_sql import json_object, json_text
from app.orm import table_of
from app.pages import Pages
from app.security.problems import Problem
from app.statements import scalar

_keys = table_of(ApiKey)
_uses = table_of(ApiKeyUse)
_shown = (
    select(*_keys.c, _uses.c.used_at)
    .join_from(_keys, _uses, _uses.c.id == _keys.c.id, isouter=True)
    .subquery("shown")
)

_PAGES = Pages(ApiKeyOut, _shown)
_NEW_ID = text("select app.uuid_v7()")
_GET = select(json_text(json_object(ApiKeyOut, _shown))).where(
    _shown.c.id == bindparam("api_key_id", type_=Uuid)
)
_REVOKE = (
    update(_keys)
    .where(_keys.c.id == bindparam("api_key_id", type_=Uuid))
    .values(revoked_at=func.coalesce(_keys.c.revoked_at, func.now()))
    .returning(_keys.c.id)
)


async def list_keys(session: Session, *, limit: int, cursor: UUID | None) -> str:
    """A page of keys, newest first, as JSON."""
    return await _PAGES.read(session, limit=limit, cursor=cursor)


async def create_key(caller: Caller, new: NewApiKey) -> str:
    """Make a key that may do no more than the caller, for no longer than keys may last.

    Returns:
        The `MadeApiKey`, as JSON.
    """
    principal = caller.principal
    if principal.tenant_id is None:
        raise RuntimeError("no permission without a tenant")
    expires_at = _expiry(new.expires_at, caller.settings.api_key_max_days)
    if too_much := sorted(set(new.scopes) - scopes_within(principal.permissions)):
        raise Problem(
            403,
            "Not allowed",
            f"You cannot give a key the scope {too_much[0]}: no key may have it, or you have not"
            " got that permission yourself.",
            type="scope-not-allowed",
        )
    async with caller.transaction() as session:
        key_id: UUID = await session.scalar(_NEW_ID)
        key = make_key(principal.tenant_id, key_id)
        values = {
            "id": key_id,
            "name": new.name,
            "hash": key.hash,
            "ending": key.ending,
            "scopes": sorted(set(new.scopes)),
            "expires_at": expires_at,
        }
        await session.execute(insert(_keys), values)
        made = str(await scalar(session, _GET, {"api_key_id": key_id}))
    return f'{made.removesuffix("}")},"key":"{key.text}"}}'


def _expiry(wanted: datetime | None, most_days: int) -> datetime:
    now = datetime.now(UTC)
    latest = now + timedelta(days=most_days)
    if wanted is None:
        return latest
    if not now < wanted <= latest + timedelta(minutes=1):
        raise Problem(
            422,
            "Invalid request",
            f"A key expires after now, and within {most_days} days.",
            type="invalid-request",
            errors=[{"field": "expires_at", "message": f"not within {most_days} days from now"}],
        )
    return wanted


async def revoke_key(session: Session, api_key_id: UUID) -> None:
    """Revoke a key, or 404. One that is revoked stays so."""
    if await scalar(session, _REVOKE, {"api_key_id": api_key_id}) is None:
        raise Problem(404, "Not found", "There is no such API key.")
