"""Organizations that the product itself manages, and who says what they may do with them."""

from uuid import UUID

from sqlalchemy import text

from app.auth.dependencies import Caller
from app.choices import tenancy
from app.features.organizations.outcomes import require_done
from app.features.organizations.schemas import OrganizationOut, Organizations
from app.security.problems import Problem

_MINE = text("select * from app.my_organizations() order by chosen_at desc nulls last, id desc")
_CREATE = text("select app.create_organization(:name, :most)")
_CHOOSE = text("select app.choose_organization(:id)")
_RENAME = text("select app.rename_organization(:name)")
_NOTE_NAME = text("select app.note_name(:tenant, :name)")


async def list_organizations(caller: Caller) -> Organizations:
    """Those that the caller belongs to, the one that they chose last first."""
    async with caller.transaction() as session:
        rows = (await session.execute(_MINE)).mappings().all()
    return Organizations(items=[OrganizationOut.model_validate(dict(row)) for row in rows])


async def create_organization(caller: Caller, name: str) -> OrganizationOut:
    """Make one, with the caller as its owner; 409 if they own as many as they may."""
    most = caller.settings.organizations_per_person
    async with caller.transaction() as session:
        made = await session.scalar(_CREATE, {"name": name, "most": most})
        if made is None:
            raise Problem(
                409,
                "Too many organizations",
                f"You own {most}, which is as many as one person may."
                if most
                else "Organizations are made by the operator here: ask support for one.",
                type="too-many-organizations",
            )
        rows = (await session.execute(_MINE)).mappings().all()
    return OrganizationOut.model_validate(dict(next(row for row in rows if row["id"] == made)))


async def choose_organization(caller: Caller, organization_id: UUID) -> None:
    """Remember where the caller works now, or 404."""
    async with caller.transaction() as session:
        if not await session.scalar(_CHOOSE, {"id": organization_id}):
            raise Problem(404, "Not found", "You belong to no such organization.")


async def rename_organization(caller: Caller, name: str) -> None:
    """Rename the organization that the caller works in."""
    async with caller.transaction() as session:
        require_done(await session.scalar(_RENAME, {"name": name}))
    tenant = caller.principal.tenant_id
    await tenancy.tell_control(caller.engine, _NOTE_NAME, tenant=tenant, name=name)
