"""Organizations that the product itself manages.

A request works in the one that its token names, or else in the one that its header `X-Organization`
names by its id.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from app.auth.dependencies import Caller, caller_with, person
from app.features.organizations import service
from app.features.organizations.schemas import (
    NewOrganization,
    OrganizationChanges,
    OrganizationOut,
    Organizations,
)

router = APIRouter(prefix="/organizations", tags=["organizations"])

Person = Annotated[Caller, person()]
Writer = Annotated[Caller, caller_with("organization:write")]


@router.get("")
async def list_organizations(caller: Person) -> Organizations:
    """The caller's organizations, wherever they work now."""
    return await service.list_organizations(caller)


@router.post("", status_code=201)
async def create_organization(caller: Person, new: NewOrganization) -> OrganizationOut:
    """Make an organization; the caller becomes its owner."""
    return await service.create_organization(caller, new.name)


@router.post("/{organization_id}/choose", status_code=204)
async def choose_organization(caller: Person, organization_id: UUID) -> Response:
    """Remember that the caller works there from now on; 404 unless they belong to it."""
    await service.choose_organization(caller, organization_id)
    return Response(status_code=204)


@router.patch("/current", status_code=204)
async def rename_organization(caller: Writer, changes: OrganizationChanges) -> Response:
    """Rename the organization in which the caller works now."""
    await service.rename_organization(caller, changes.name)
    return Response(status_code=204)
