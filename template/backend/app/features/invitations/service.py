"""Invitations into the organization that the session can see, and their acceptance."""

import hashlib
import json
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, bindparam, case, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert

from app import jobs
from app.auth.dependencies import Access, Caller
from app.choices import tenancy
from app.database import Session
from app.features.invitations.models import Invitation
from app.features.invitations.schemas import Accepted, InvitationOut, NewInvitation
from app.features.invitations.tasks import SendInvitation, send_invitation, tenant_of
from app.features.organizations.outcomes import require_done
from app.json_sql import json_object, json_text
from app.orm import table_of
from app.pages import Pages
from app.security.problems import Problem

MOST_OPEN = 500
"""Invitations of one organization that wait for an answer."""

MOST_SENDINGS = 10
"""Mails that one invitation may cost, so that nobody's inbox is flooded through it."""

_DAY_SECONDS = 86_400
_DAYS = "now() + interval '7 days'"

_invitations = table_of(Invitation)
_status = case(
    (_invitations.c.accepted_at.is_not(None), "accepted"),
    (_invitations.c.revoked_at.is_not(None), "revoked"),
    (_invitations.c.expires_at <= func.now(), "expired"),
    else_="open",
)
_shown = select(*_invitations.c, _status.cast(Text).label("status")).subquery("shown")
_is_open = and_(_invitations.c.accepted_at.is_(None), _invitations.c.revoked_at.is_(None))

_PAGES = Pages(InvitationOut, _shown)
_STATE = text("""
    select o.managed_by,
        exists (
            select from public.memberships m join public.users u on u.id = m.user_id
            where m.org_id = o.id and m.status = 'active' and lower(u.email) = :email
        ) as is_member,
        (
            select count(*) from public.invitations i
            where i.org_id = o.id and i.accepted_at is null and i.revoked_at is null
              and i.expires_at > now()
        ) as open
    from public.organizations o where o.id = (select app.current_org_id())
""")
_END_EXPIRED = text("""
    update public.invitations set revoked_at = now()
    where org_id = (select app.current_org_id()) and email = :email
      and accepted_at is null and revoked_at is null and expires_at <= now()
""")
_ONE_AT_A_TIME = text("""
    select pg_advisory_xact_lock(hashtextextended('mails of ' || app.current_org_id(), 0))
""")
_SENT_TODAY = text("""
    select count(*) as mails,
        ceil(extract(epoch from min(asked) + interval '1 day' - now()))::int as seconds
    from public.invitations i, unnest(i.asked_at) asked
    where i.org_id = (select app.current_org_id()) and asked > now() - interval '1 day'
""")
_INVITE = (
    insert(_invitations)
    .values(
        email=bindparam("email"),
        role=bindparam("role"),
        expires_at=literal_column(_DAYS),
    )
    .on_conflict_do_nothing()
    .returning(_invitations.c.id)
)
_AGAIN = text(f"""
    update public.invitations
    set asked_at = asked_at || now(), sent_at = null, token_hashes = '{{}}', expires_at = {_DAYS}
    where id = :id and accepted_at is null and revoked_at is null
      and cardinality(asked_at) < :most
    returning id
""")  # noqa: S608
_REVOKE = text("""
    update public.invitations set revoked_at = now()
    where id = :id and accepted_at is null and revoked_at is null
    returning id
""")
_GET = select(json_text(json_object(InvitationOut, _shown)), _shown.c.status, _shown.c.role).where(
    _shown.c.id == bindparam("id", type_=Uuid)
)
_ACCEPT = text("select * from app.accept_invitation(:claims, :request_id, :hash)")
_NOTE = text("select app.note_member(:tenant, :subject, :role)")

_REFUSALS = {
    "unknown": (
        404,
        "Not found",
        "There is no such invitation: ask for a new one.",
        "about:blank",
    ),
    "unconfirmed": (
        403,
        "Not allowed",
        "Your sign-in does not say that your email address is confirmed: have the provider do so.",
        "address-unconfirmed",
    ),
    "another_address": (
        403,
        "Not allowed",
        "This invitation was sent to another address than the one you signed in with.",
        "another-address",
    ),
    "accepted": (410, "Used", "This invitation has been accepted.", "invitation-accepted"),
    "revoked": (410, "Taken back", "This invitation was taken back.", "invitation-revoked"),
    "expired": (
        410,
        "Expired",
        "This invitation has expired: ask for it to be sent again.",
        "invitation-expired",
    ),
}


async def list_invitations(session: Session, *, limit: int, cursor: UUID | None) -> str:
    """A page of invitations, newest first, as JSON."""
    return await _PAGES.read(session, limit=limit, cursor=cursor)


async def invite(access: Access, new: NewInvitation) -> str:
    """Write the invitation and the job that sends it, and return it as JSON."""
    session = access.session
    _require_rank(access, new.role)
    state = (await session.execute(_STATE, {"email": new.email})).one()
    if state.managed_by != "app":
        require_done("managed_by_provider")
    if state.is_member:
        raise Problem(409, "Conflict", "Somebody with this address is a member.", type="conflict")
    if state.open >= MOST_OPEN:
        raise Problem(
            409,
            "Too many invitations",
            f"{MOST_OPEN} invitations wait for an answer: revoke some first.",
            type="too-many-invitations",
        )
    await _require_a_mail_left(access)
    await session.execute(_END_EXPIRED, {"email": new.email})
    made: UUID | None = await session.scalar(_INVITE, new.model_dump())
    if made is None:
        raise Problem(
            409, "Conflict", "This address has an invitation: send that again.", type="conflict"
        )
    await jobs.enqueue(session, send_invitation, SendInvitation(invitation_id=made))
    return str(await session.scalar(_GET, {"id": made}))


async def resend(access: Access, invitation_id: UUID) -> str:
    """Have an open or expired invitation sent again, or 404; 409 if it has ended."""
    session = access.session
    found = (await session.execute(_GET, {"id": invitation_id})).one_or_none()
    if found is None:
        raise Problem(404, "Not found", "There is no such invitation.")
    _require_rank(access, found.role)
    await _require_a_mail_left(access)
    if await session.scalar(_AGAIN, {"id": invitation_id, "most": MOST_SENDINGS}) is None:
        ended = found.status in {"accepted", "revoked"}
        why = f"It is {found.status}." if ended else f"It was sent {MOST_SENDINGS} times."
        raise Problem(409, "Conflict", f"{why} Invite anew.", type="conflict")
    await jobs.enqueue(session, send_invitation, SendInvitation(invitation_id=invitation_id))
    return str(await session.scalar(_GET, {"id": invitation_id}))


async def revoke(session: Session, invitation_id: UUID) -> None:
    """Take an invitation back, or 404. One that has ended stays as it is."""
    if await session.scalar(_REVOKE, {"id": invitation_id}) is None:
        found = (await session.execute(_GET, {"id": invitation_id})).one_or_none()
        if found is None:
            raise Problem(404, "Not found", "There is no such invitation.")
        if found.status == "accepted":
            raise Problem(409, "Conflict", "It is accepted: remove the member.", type="conflict")


async def accept(caller: Caller, token: str) -> Accepted:
    """Make the caller a member of the organization that the invitation is to."""
    tenant_id = tenant_of(token)
    if tenant_id is None:
        raise _refusal("unknown")
    identity = caller.principal.identity
    asked = {
        "claims": json.dumps(identity.claims()),
        "request_id": caller.request_id,
        "hash": hashlib.sha256(token.encode()).digest(),
    }
    async with tenancy.home(caller.engine, tenant_id) as home, home.connect() as session:
        found = (await session.execute(_ACCEPT, asked)).one()
        await session.commit()
    if found.member_role is not None:
        known = {"tenant": tenant_id, "subject": identity.subject, "role": found.member_role}
        await tenancy.tell_control(caller.engine, _NOTE, **known)
    if found.outcome != "done":
        raise _refusal(found.outcome)
    return Accepted(organization_id=found.organization, role=found.member_role)


async def _require_a_mail_left(access: Access) -> None:
    """Raise 429 if the organization has sent its mails of the last 24 hours.

    Who asks at the same time waits, and so counts what the other one sent.
    """
    most = access.settings.invitations_per_day
    await access.session.execute(_ONE_AT_A_TIME)
    sent = (await access.session.execute(_SENT_TODAY)).one()
    if sent.mails >= most:
        raise Problem(
            429,
            "Too many invitations",
            f"{most} mails with invitations went out in the last 24 hours, which is the limit.",
            type="too-many-mails",
            headers={"Retry-After": str(max(sent.seconds or _DAY_SECONDS, 1))},
        )


def _require_rank(access: Access, role: str) -> None:
    if role == "owner" and access.principal.role != "owner":
        require_done("owners_only")


def _refusal(outcome: str) -> Problem:
    status, title, detail, kind = _REFUSALS[outcome]
    return Problem(status, title, detail, type=kind)
