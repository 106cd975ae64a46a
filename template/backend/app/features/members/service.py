"""Members of the organization that the session can see."""

from uuid import UUID

from sqlalchemy import select, text

from app.auth.dependencies import Caller
from app.auth.permissions import Role
from app.choices import tenancy
from app.database import Session
from app.features.me.models import User
from app.features.members.schemas import MemberOut
from app.features.organizations.models import Membership
from app.features.organizations.outcomes import require_done
from app.orm import table_of
from app.pages import Pages

_members = table_of(Membership)
_people = table_of(User)
_PAGES = Pages(
    MemberOut,
    select(
        _members.c.id,
        _members.c.user_id,
        _people.c.name,
        _people.c.email,
        _members.c.role,
        _members.c.created_at,
    )
    .join(_people, _people.c.id == _members.c.user_id)
    .where(_members.c.status == "active")
    .subquery("shown"),
)

_CHANGE = text("select app.change_member(:member, :role)")
_MY_ID = text("select app.my_membership_id()")
_SUBJECT = text("""
    select u.subject from public.memberships m join public.users u on u.id = m.user_id
    where m.id = :member
""")
_NOTE = text("select app.note_member(:tenant, :subject, :role)")


async def list_members(session: Session, *, limit: int, cursor: UUID | None) -> str:
    """A page of the members, newest first, as JSON."""
    return await _PAGES.read(session, limit=limit, cursor=cursor)


async def change_member(caller: Caller, member_id: UUID, role: Role | None) -> None:
    """Give a member another role, or remove them if it is None."""
    async with caller.transaction() as session:
        subject = await session.scalar(_SUBJECT, {"member": member_id})
        require_done(await session.scalar(_CHANGE, {"member": member_id, "role": role}))
    tenant = caller.principal.tenant_id
    await tenancy.tell_control(caller.engine, _NOTE, tenant=tenant, subject=subject, role=role)


async def leave(caller: Caller) -> None:
    """End the caller's own membership."""
    async with caller.transaction() as session:
        member_id = await session.scalar(_MY_ID)
    await change_member(caller, member_id, None)
