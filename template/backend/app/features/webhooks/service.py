"""What the sign-in provider tells: verified, applied once, kept if it cannot be applied."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook, WebhookVerificationError

from app.auth.changes import Change, UnreadableEventError, UserChanged, UserDeleted
from app.choices import provider, tenancy
from app.security.problems import Problem
from app.settings import Settings

log = structlog.get_logger()

_MAX_ID = 255
_NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")

_IS_DONE = text("select app.is_message_done(:id)")
_DONE = text("select app.note_message(:id, null, null)")
_DEAD = text("select app.note_message(:id, :body, :reason)")
_APPLY = text("select app.apply_change(:change, :request_id)")


async def receive(
    engine: AsyncEngine, settings: Settings, headers: Mapping[str, str], body: bytes
) -> None:
    """Apply a message. A second delivery of the same one changes nothing.

    Raises:
        Problem: 404 if no secret is set, 401 if the message is not signed with one of them, now.
    """
    message_id = _verified(settings, headers, body)
    async with engine.connect() as control:
        is_done = await control.scalar(_IS_DONE, {"id": message_id})
        await control.commit()
    if is_done:
        return
    try:
        change = provider.read_event(body)
        if change is not None:
            await apply(engine, change, f"webhook-{message_id}")
    except (UnreadableEventError, DataError, IntegrityError) as error:
        # Sent again it would fail again; an operator has to look at it.
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        log.warning("webhook.dead", message_id=message_id, reason=type(error).__name__)
        # No text in Postgres has a NUL.
        kept = body.decode(errors="replace").replace("\0", "\ufffd")
        await _note(engine, _DEAD, {"id": message_id, "body": kept, "reason": reason})
    else:
        await _note(engine, _DONE, {"id": message_id})


async def apply(engine: AsyncEngine, change: Change, request_id: str) -> None:
    """Write down what changed, in each database that it concerns."""
    told = {"change": msgspec.json.encode(change).decode(), "request_id": request_id}
    if isinstance(change, UserDeleted):
        # Whoever it is may be known in each of them, and one that is away must not keep them in.
        await tenancy.everywhere(engine, lambda home: _note(home, _APPLY, told))
        return
    await _note(engine, _APPLY, told)
    if isinstance(change, UserChanged):
        return
    async with tenancy.routed(engine, {"org_id": change.organization}) as home:
        if home is not engine:
            await _note(home, _APPLY, told)


async def _note(home: AsyncEngine, query: Any, parameters: Mapping[str, Any]) -> None:
    async with home.connect() as session:
        await session.execute(query, parameters)
        await session.commit()


def _verified(settings: Settings, headers: Mapping[str, str], body: bytes) -> str:
    """The message's id, once a secret is found that it is signed with."""
    if settings.auth_webhook_secrets is None:
        raise Problem(404, "Not found", "AUTH_WEBHOOK_SECRETS is not set: nobody is listened to.")
    # Svix, which Clerk sends by, has the same headers under names of its own.
    given = {
        name: headers.get(name) or headers.get(name.replace("webhook", "svix")) or ""
        for name in _NAMES
    }
    # Supabase joins several signatures with a comma and a space.
    given["webhook-signature"] = given["webhook-signature"].replace(", ", " ")
    for webhook in _webhooks(settings.auth_webhook_secrets.get_secret_value()):
        try:
            webhook.verify(body, given, json_parse=False)
        except (WebhookVerificationError, ValueError, OverflowError):
            continue
        if len(given["webhook-id"]) <= _MAX_ID:
            return given["webhook-id"]
    raise Problem(
        401,
        "Not signed",
        "The message is not signed with a secret of AUTH_WEBHOOK_SECRETS, or too old.",
        headers={"WWW-Authenticate": 'Webhook realm="auth"'},
    )


@lru_cache(maxsize=4)
def _webhooks(secrets: str) -> list[Webhook]:
    return [Webhook(secret.strip().removeprefix("v1,")) for secret in secrets.split(" ")]
