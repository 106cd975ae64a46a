"""Signing in without an account: what the development issuer has for the front end's sign-in page.

`GET /development/people` lists the demo people, `POST /development/token` answers with a token in
the provider's exact shape. Both are there only when the environment holds a secret, which
`make dev` makes for each run and gives to the issuer and to the front end's server (set it yourself
for a front end that lives elsewhere). A request must carry it. No browser gets it, and none may
ask: what a page sends has an Origin.
"""

import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.dev.choices import people, provider
from app.dev.environment import require_development
from app.dev.issuer_key import IssuerKey
from app.dev.processes import LOOPBACK
from app.dev.tokens import mint
from app.dev.web import SIGN_IN_SECRET

LIFETIME = 12 * 3600
_LEAST_SECRET = 32

Answer = Callable[[Request], Awaitable[Response]]


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """As whom to sign in: one of the demo people, or anybody else.

    Attributes:
        email: their address, which the provider has confirmed.
    """

    user: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    organization: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    role: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{1,32}$")] = "admin"
    email: Annotated[str, msgspec.Meta(max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")] | None = None


def routes(key: IssuerKey, issuer: str) -> list[Route]:
    """The two routes; none without a secret.

    Raises:
        DevelopmentError: this is not a development environment.
    """
    secret = os.environ.get(SIGN_IN_SECRET, "")
    if len(secret) < _LEAST_SECRET:
        return []
    require_development("Signing in without an account")

    def guarded(answer: Answer) -> Answer:
        async def guard(request: Request) -> Response:
            if not _may_ask(request, secret):
                return JSONResponse({"detail": "Not found"}, status_code=404)
            response = await answer(request)
            response.headers["Cache-Control"] = "no-store"
            return response

        return guard

    async def list_people(_: Request) -> Response:
        return JSONResponse(
            [
                {
                    "user": person.user,
                    "organization": person.organization,
                    "role": person.role if person.organization else None,
                }
                for members in people.DEMO.values()
                for person in members
            ]
        )

    async def issue(request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=Wanted)
        except msgspec.DecodeError as error:
            return JSONResponse({"detail": str(error)}, status_code=422)
        claims = {} if wanted.email is None else provider.address(wanted.email)
        token = mint(
            wanted.user,
            wanted.organization,
            wanted.role,
            LIFETIME,
            issuer,
            key=key,
            **claims,
        )
        return JSONResponse({"token": token, "expires_in": LIFETIME})

    return [
        Route("/development/people", guarded(list_people), methods=["GET"]),
        Route("/development/token", guarded(issue), methods=["POST"]),
    ]


def _may_ask(request: Request, secret: str) -> bool:
    """Whether this is the front end's server: it knows the secret, and speaks from no page.

    The name in Host keeps out pages of another site whose name leads to this machine.
    """
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return (
        secrets.compare_digest(given.encode(), secret.encode())
        and request.headers.get("host", "").partition(":")[0] == LOOPBACK
        and "origin" not in request.headers
    )
