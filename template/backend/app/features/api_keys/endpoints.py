from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app.auth.dependencies import Access, Caller, caller_with, requires
from app.features.api_keys import service
from app.features.api_keys.schemas import ApiKeyPage, MadeApiKey, NewApiKey
from app.json_response import JSONText

router = APIRouter(prefix="/api-keys", tags=["api keys"])


@router.get("", response_model=ApiKeyPage)
async def list_api_keys(
    access: Annotated[Access, requires("api_keys:read")],
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: UUID | None = None,
) -> JSONText:
    """The caller's keys, newest first; to an admin, everybody's."""
    return JSONText(await service.list_keys(access.session, limit=limit, cursor=cursor))


@router.post("", status_code=201, response_model=MadeApiKey)
async def create_api_key(
    caller: Annotated[Caller, caller_with("api_keys:write")], new: NewApiKey
) -> JSONText:
    """Make a key for the caller. The answer shows it, this once."""
    made = await service.create_key(caller, new)
    return JSONText(made, status_code=201, headers={"Cache-Control": "no-store"})


@router.delete("/{api_key_id}", status_code=204)
async def revoke_api_key(
    access: Annotated[Access, requires("api_keys:write")], api_key_id: UUID
) -> Response:
    """Revoke a key: it is refused from the next request on, and its sockets close."""
    await service.revoke_key(access.session, api_key_id)
    return Response(status_code=204)
