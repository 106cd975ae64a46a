from fastapi import APIRouter, Request, Response

from app.features.webhooks import service

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


# Not in the API's description: who sends these has a contract of its own.
@router.post("/auth", status_code=204, include_in_schema=False)
async def receive(request: Request) -> Response:
    """What the sign-in provider tells of people, organizations and memberships, signed."""
    body = await request.body()
    state = request.app.state
    await service.receive(state.engine, state.settings, request.headers, body)
    return Response(status_code=204)
