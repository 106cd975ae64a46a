from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.auth.dependencies import Access, requires
from app.features.${names.table} import service
from app.features.${names.table}.schemas import ${names.model}Changes, ${names.model}Out, ${names.model}Page, New${names.model}
from app.json_response import JSONText

router = APIRouter(prefix="/${names.route}", tags=["${names.words}"])

Reader = Annotated[Access, requires("${names.table}:read")]
Writer = Annotated[Access, requires("${names.table}:write")]


@router.get("", response_model=${names.model}Page)
async def list_${names.table}(
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
) -> JSONText:
    """${names.words.capitalize()}, newest first."""
    return JSONText(await service.list_${names.table}(access.session, limit=limit, cursor=cursor))


@router.post("", status_code=201, response_model=${names.model}Out)
async def create_${names.one}(access: Writer, new: New${names.model}) -> JSONText:
    """Add one."""
    return JSONText(await service.create_${names.one}(access.session, new), status_code=201)


@router.get("/{${names.one}_id}", response_model=${names.model}Out)
async def get_${names.one}(access: Reader, ${names.one}_id: UUID) -> JSONText:
    """One of the ${names.words}."""
    return JSONText(await service.get_${names.one}(access.session, ${names.one}_id))


@router.patch("/{${names.one}_id}", response_model=${names.model}Out)
async def update_${names.one}(access: Writer, ${names.one}_id: UUID, changes: ${names.model}Changes) -> JSONText:
    """Change one. What is left out stays."""
    return JSONText(await service.update_${names.one}(access.session, ${names.one}_id, changes))


@router.delete("/{${names.one}_id}", status_code=204)
async def delete_${names.one}(access: Writer, ${names.one}_id: UUID) -> Response:
    """Delete one. The audit trail keeps what it was."""
    await service.delete_${names.one}(access.session, ${names.one}_id)
    return Response(status_code=204)
