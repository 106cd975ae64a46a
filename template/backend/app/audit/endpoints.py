from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.audit import service
from app.audit.schemas import AuditPage
from app.auth.dependencies import Access, requires
from app.inputs import Moment
from app.json_response import JSONText

router = APIRouter(prefix="/audit-events", tags=["audit"])

Word = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]


@router.get("", response_model=AuditPage)
async def list_audit_events(
    access: Annotated[Access, requires("audit:read")],
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
    actor: Word = None,
    action: Word = None,
    table: Word = None,
    since: Moment | None = None,
) -> JSONText:
    """What changed in what the tenant owns, when, by whom; newest first."""
    page = await service.list_events(
        access.session,
        limit=limit,
        cursor=cursor,
        actor=actor,
        action=action,
        table=table,
        since=since,
    )
    return JSONText(page)
