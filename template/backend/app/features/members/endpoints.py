from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.auth.dependencies import Access, Caller, caller_with, requires
from app.features.members import service
from app.features.members.schemas import MemberChanges, MemberPage
from app.json_response import JSONText

router = APIRouter(prefix="/members", tags=["members"])

Reader = Annotated[Access, requires("members:read")]
Writer = Annotated[Caller, caller_with("members:write")]
Leaver = Annotated[Caller, caller_with("organization:read")]


@router.get("", response_model=MemberPage)
async def list_members(
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
) -> JSONText:
    """Who belongs to the organization, newest first."""
    return JSONText(await service.list_members(access.session, limit=limit, cursor=cursor))


@router.delete("/me", status_code=204)
async def leave(caller: Leaver) -> Response:
    """Leave the organization. Its last owner cannot."""
    await service.leave(caller)
    return Response(status_code=204)


@router.patch("/{member_id}", status_code=204)
async def change_member(caller: Writer, member_id: UUID, changes: MemberChanges) -> Response:
    """Give a member another role. Only owners may make owners, or change them."""
    await service.change_member(caller, member_id, changes.role)
    return Response(status_code=204)


@router.delete("/{member_id}", status_code=204)
async def remove_member(caller: Writer, member_id: UUID) -> Response:
    """Remove a member: requests, sockets and keys of theirs end within seconds."""
    await service.change_member(caller, member_id, None)
    return Response(status_code=204)
