from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from app.auth.dependencies import Access, Caller, caller_with, requires
from app.features.imports import service
from app.features.imports.schemas import ImportAccepted, ImportOut, ImportPage
from app.json_response import JSONText
from app.security.problems import Problem

router = APIRouter(prefix="/imports", tags=["imports"])

Reader = Annotated[Access, requires("imports:read")]
Uploader = Annotated[Caller, caller_with("imports:write")]
Downloader = Annotated[Caller, caller_with("imports:read")]

_MULTIPART: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV, UTF-8, with the header name,email,company,amount",
                        }
                    },
                }
            }
        },
    }
}


@router.post("", status_code=202, response_model=ImportAccepted, openapi_extra=_MULTIPART)
async def start_import(
    request: Request,
    caller: Uploader,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")
    ] = None,
) -> JSONText:
    """Upload a CSV of contacts. A worker imports it; its progress is sent as `import.progress`.

    With an Idempotency-Key, sending the same file again returns the first import.
    """
    # The form is read here, and not by a parameter, so that only a caller who may upload can.
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(
                422, "No file", 'Send the CSV as multipart/form-data, in the field "file".'
            )
        upload = await service.inspect(file.file, file.filename or "")
        accepted = await service.start_import(caller, upload, idempotency_key)
    return JSONText(accepted, status_code=202)


@router.get("", response_model=ImportPage)
async def list_imports(
    access: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: UUID | None = None
) -> JSONText:
    """Imports, newest first."""
    return JSONText(await service.list_imports(access.session, limit=limit, cursor=cursor))


@router.get("/{import_id}", response_model=ImportOut)
async def get_import(access: Reader, import_id: UUID) -> JSONText:
    """How far an import is."""
    return JSONText(await service.get_import(access.session, import_id))


@router.get("/{import_id}/rejected.csv", response_class=StreamingResponse)
async def rejected_rows(caller: Downloader, import_id: UUID) -> StreamingResponse:
    """The rows that did not become contacts, with line, column and reason."""
    async with caller.transaction() as session:
        await service.get_import(session, import_id)
    return StreamingResponse(
        service.rejected_rows(caller, import_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="rejected.csv"'},
    )
