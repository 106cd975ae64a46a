from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.auth.dependencies import Access, requires
from app.features.contacts import service
from app.features.contacts.schemas import ContactChanges, ContactOut, ContactPage, NewContact
from app.json_response import JSONText

router = APIRouter(prefix="/contacts", tags=["contacts"])

Reader = Annotated[Access, requires("contacts:read")]
Writer = Annotated[Access, requires("contacts:write")]


@router.get("", response_model=ContactPage)
async def list_contacts(
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
    q: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> JSONText:
    """Contacts, newest first. `q` is how a name or an email address begins."""
    return JSONText(await service.list_contacts(access.session, limit=limit, cursor=cursor, q=q))


@router.post("", status_code=201, response_model=ContactOut)
async def create_contact(access: Writer, new: NewContact) -> JSONText:
    """Add a contact. Its email address must be new to the tenant."""
    return JSONText(await service.create_contact(access.session, new), status_code=201)


@router.get("/{contact_id}", response_model=ContactOut)
async def get_contact(access: Reader, contact_id: UUID) -> JSONText:
    """One contact."""
    return JSONText(await service.get_contact(access.session, contact_id))


@router.patch("/{contact_id}", response_model=ContactOut)
async def update_contact(access: Writer, contact_id: UUID, changes: ContactChanges) -> JSONText:
    """Change a contact. What is left out stays."""
    return JSONText(await service.update_contact(access.session, contact_id, changes))


@router.delete("/{contact_id}", status_code=204)
async def delete_contact(access: Writer, contact_id: UUID) -> Response:
    """Delete a contact. The audit trail keeps what it was."""
    await service.delete_contact(access.session, contact_id)
    return Response(status_code=204)
