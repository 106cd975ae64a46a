"""The mail that an invitation is."""

import hashlib
import secrets
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from app import jobs
from app.email import Message, send
from app.settings import get_settings

_RANDOM_BYTES = 32

# A mail may be sent and its job fail all the same: each attempt has a link of its own, and the
# latest five are good.
_OPEN = text(r"""
    update public.invitations i
    set token_hashes = (array_prepend(:hash, i.token_hashes))[1\:5]
    from public.organizations o
    where i.id = :id and o.id = i.org_id
      and i.accepted_at is null and i.revoked_at is null and i.expires_at > now()
    returning i.email, i.role, i.expires_at, o.name as organization,
        (select coalesce(u.name, u.email) from public.users u where u.id = i.invited_by) as inviter
""")
_TENANT = text("select app.current_org_id()")
_SENT = text("update public.invitations set sent_at = now() where id = :id")


class SendInvitation(msgspec.Struct):
    """Which invitation is to be sent."""

    invitation_id: UUID


def tenant_of(token: str) -> UUID | None:
    """Whose invitation a token belongs to, by its own account; None if it is no token."""
    try:
        return UUID(hex=token.partition(".")[0])
    except ValueError:
        return None


@jobs.task("send_invitation", SendInvitation, attempts=8, timeout=60.0)
async def send_invitation(job: jobs.Job, payload: SendInvitation) -> None:
    """Send the mail with the link. One that has ended meanwhile is not sent."""
    async with job.transaction() as session:
        token = f"{(await session.scalar(_TENANT)).hex}.{secrets.token_urlsafe(_RANDOM_BYTES)}"
        digest = hashlib.sha256(token.encode()).digest()
        open_one = {"id": payload.invitation_id, "hash": digest}
        found = (await session.execute(_OPEN, open_one)).one_or_none()
    if found is None:
        return
    await send(get_settings(), _message(found, token))
    async with job.transaction() as session:
        await session.execute(_SENT, {"id": payload.invitation_id})


def _message(invitation: Any, token: str) -> Message:
    settings = get_settings()
    inviter = " ".join((invitation.inviter or "Somebody").split())
    return Message(
        to=invitation.email,
        subject=f"{inviter} invites you to {invitation.organization}",
        text=(
            f"{inviter} asks you to join {invitation.organization} in {settings.product_name}, "
            f"as {invitation.role}.\n"
            f"\nTo accept, open this link and sign in as {invitation.email}:\n"
            f"\n{settings.app_url}/invitations/accept#token={token}\n"
            f"\nIt works once, until {invitation.expires_at:%d %B %Y, %H:%M} UTC, and for nobody "
            "else. If you did not expect it, do nothing.\n"
        ),
    )
