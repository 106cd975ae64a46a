from typing import Annotated

from fastapi import APIRouter

from app.auth.dependencies import Access, signed_in
from app.features.me import service
from app.features.me.schemas import Me
from app.json_response import JSONText

router = APIRouter(tags=["me"])


@router.get("/me", response_model=Me)
async def read_me(access: Annotated[Access, signed_in()]) -> JSONText:
    """Who is calling, in which organization, and what they may do there."""
    return JSONText(await service.me(access.session, access.principal))
