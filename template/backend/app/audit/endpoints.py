from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from app.audit import export, service
from app.audit.schemas import AuditPage, Filters
from app.auth.dependencies import Access, Caller, caller_with, requires
from app.json_response import JSONText

router = APIRouter(prefix="/audit-events", tags=["audit"])

Asked = Annotated[Filters, Depends()]


@router.get("", response_model=AuditPage)
async def list_audit_events(
    access: Annotated[Access, requires("audit:read")],
    filters: Asked,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
) -> JSONText:
    """What changed in what the tenant owns, when, by whom; newest first."""
    page = await service.list_events(access.session, filters, limit=limit, cursor=cursor)
    return JSONText(page)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {} for kind in export.MEDIA_TYPES.values()}}},
)
async def export_audit_events(
    caller: Annotated[Caller, caller_with("audit:read")],
    filters: Asked,
    form: Annotated[export.Format, Query(alias="format")] = "ndjson",
) -> StreamingResponse:
    """All of it as a file: a JSON object a line, or CSV. The export is an audit event itself."""
    await export.begin(caller, form, filters)
    return StreamingResponse(
        export.export(caller, form, filters),
        media_type=export.MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="audit-events.{form}"'},
    )
