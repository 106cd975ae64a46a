"""Live events to browsers.

A client asks for a ticket with its token, then opens the WebSocket with the ticket. It gets JSON
messages `{id, type, data}`: first `hello`, then what happens to its tenant. To lose nothing,
it reconnects with a fresh ticket and `last_event_id`, the last id that it got; a `resync` says that
this cannot be continued, so it must ask the API for the current state.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response, WebSocket
from pydantic import BaseModel

from app.auth.dependencies import Access, requires
from app.realtime import tickets
from app.realtime.connection import serve

router = APIRouter(prefix="/realtime", tags=["realtime"])


class Ticket(BaseModel):
    """Opens one WebSocket, for the caller, for the caller's tenant."""

    ticket: str
    expires_at: datetime


@router.post("/tickets", status_code=201)
async def create_ticket(
    access: Annotated[Access, requires("realtime:connect")], response: Response
) -> Ticket:
    """A ticket for one WebSocket, to be used within seconds."""
    response.headers["Cache-Control"] = "no-store"
    principal = access.principal
    if principal.tenant_id is None:
        raise RuntimeError("no permission without a tenant")
    expires_at = principal.identity.expires_at
    issued = await tickets.issue(access.session, principal.tenant_id, expires_at)
    return Ticket(ticket=issued.ticket, expires_at=issued.expires_at)


@router.websocket("")
async def connect(websocket: WebSocket) -> None:
    """The events of the caller's tenant, for as long as the caller's token allows."""
    await serve(websocket)
