from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.auth.dependencies import Access, Caller, person, requires
from app.features.invitations import service
from app.features.invitations.schemas import (
    Acceptance,
    Accepted,
    InvitationOut,
    InvitationPage,
    NewInvitation,
)
from app.json_response import JSONText
from app.security.described import also

router = APIRouter(prefix="/invitations", tags=["invitations"])

Writer = Annotated[Access, requires("members:write")]


@router.get("", response_model=InvitationPage)
async def list_invitations(
    access: Writer,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
) -> JSONText:
    """Invitations, newest first, those that ended included."""
    return JSONText(await service.list_invitations(access.session, limit=limit, cursor=cursor))


@router.post("", status_code=201, response_model=InvitationOut)
async def invite(access: Writer, new: NewInvitation) -> JSONText:
    """Ask somebody to join: they get a mail with a link that only they can use."""
    return JSONText(await service.invite(access, new), status_code=201)


@router.post("/{invitation_id}/resend", status_code=202, response_model=InvitationOut)
async def resend(access: Writer, invitation_id: UUID) -> JSONText:
    """Send the mail again, with a new link: those before it end, and its days begin anew."""
    return JSONText(await service.resend(access, invitation_id), status_code=202)


@router.delete("/{invitation_id}", status_code=204)
async def revoke(access: Writer, invitation_id: UUID) -> Response:
    """Take an invitation back."""
    await service.revoke(access.session, invitation_id)
    return Response(status_code=204)


@router.post("/accept", responses=also(404, 410))
async def accept(caller: Annotated[Caller, person()], acceptance: Acceptance) -> Accepted:
    """Become a member, as whom the invitation was sent to: the provider must have confirmed that
    address as the caller's.
    """  # noqa: D205
    return await service.accept(caller, acceptance.token)
