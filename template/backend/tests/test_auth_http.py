"""Signing in over HTTP: what the caller of the API sees of tokens and of the provider's outages."""

import httpx
import pytest

from app.auth.verifier import LAST_SECOND
from app.dev.choices import provider
from app.dev.processes import LOOPBACK, free_port
from tests.conftest import MintToken
from tests.running import Platform


async def ask(api: httpx.AsyncClient, token: str) -> httpx.Response:
    return await api.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    "claims",
    [
        {"name": "Ada\0", "email": "ada\0@example.com"},
        {"name": "A" * 321, "email": f"{'a' * 320}@example.com"},
    ],
    ids=["NUL", "long"],
)
async def test_a_text_that_cannot_be_stored_is_refused(
    api: httpx.AsyncClient, token: MintToken, claims: dict[str, str]
) -> None:
    refused = await ask(api, token(**claims))
    assert (refused.status_code, refused.json()["title"]) == (401, "Not signed in")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


async def test_while_no_key_can_be_fetched_the_answer_is_503(
    platform: Platform, token: MintToken
) -> None:
    gone = f"http://{LOOPBACK}:{free_port()}{provider.ISSUER_PATH}"
    process, address = platform.api(AUTH_ISSUER=gone)
    process.start()
    try:
        async with httpx.AsyncClient(base_url=address, trust_env=False) as api:
            refused = await ask(api, token(iss=gone))
            assert (await api.get("/healthz")).status_code == 200
    finally:
        process.stop()
    assert (refused.status_code, refused.json()["title"]) == (503, "Sign-in is unavailable")
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer {}", "Bearer {}"],
        ["Bearer {}", "Bearer other"],
        ["Bearer other", "Bearer {}"],
        ["Basic dTE6cHc=", "Bearer {}"],
        ["Bearer {}", ""],
        ["Bearer {}, Bearer {}"],
        ["Bearer {}, Basic dTE6cHc="],
        ["Bearer {};"],
        ["Bearer {} {}"],
        ["Bearer Bearer {}"],
        ["Basic {}"],
        ["DPoP {}"],
        ["{}"],
        ['Bearer "{}"'],
        ["Bearer={}"],
        ["Bearer\u00a0{}"],
        ["Bearer \u00ff{}"],
    ],
)
async def test_of_what_says_who_calls_there_is_one(
    api: httpx.AsyncClient, token: MintToken, headers: list[str]
) -> None:
    """Whatever stands before the API might believe the other one."""
    good = token()
    sent = [("Authorization", header.replace("{}", good).encode("latin-1")) for header in headers]
    refused = await api.get("/api/v1/me", headers=sent)  # type: ignore[arg-type]
    assert refused.status_code == 401, refused.text
    assert refused.headers["www-authenticate"].startswith("Bearer ")
    assert (await ask(api, good)).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "BeArEr"])
async def test_the_scheme_may_be_written_in_any_case(
    api: httpx.AsyncClient, token: MintToken, scheme: str
) -> None:
    """RFC 9110, section 11.1."""
    answer = await api.get("/api/v1/me", headers={"Authorization": f"{scheme} {token()}"})
    assert answer.status_code == 200


async def test_a_token_anywhere_else_is_none(api: httpx.AsyncClient, token: MintToken) -> None:
    good = token()
    for where in (
        {"params": {"access_token": good, "token": good}},
        {
            "headers": {
                "Cookie": f"__session={good}; access_token={good}; Authorization=Bearer {good}"
            }
        },
        {"headers": {"X-Authorization": f"Bearer {good}", "Proxy-Authorization": f"Bearer {good}"}},
    ):
        assert (await api.get("/api/v1/me", **where)).status_code == 401  # type: ignore[arg-type]


async def test_times_at_the_end_of_the_calendar_are_stored(
    api: httpx.AsyncClient, token: MintToken
) -> None:
    last = token(user="u_last", exp=LAST_SECOND, iat=0)
    headers = {"Authorization": f"Bearer {last}"}
    assert (await api.get("/api/v1/me", headers=headers)).status_code == 200
    assert (await api.post("/api/v1/realtime/tickets", headers=headers)).status_code == 201
    beyond = token(user="u_last", exp=LAST_SECOND + 1)
    assert (await ask(api, beyond)).status_code == 401


async def test_a_refusal_repeats_nothing_of_the_token(
    api: httpx.AsyncClient, token: MintToken
) -> None:
    bait = "bait\r\nSet-Cookie: a=b"
    for forged in (token(sub=bait), token(iss=bait), token(nbf=bait), f"{bait}.{bait}.{bait}"):
        sent = [("Authorization", f"Bearer {forged}".replace("\r\n", " ").encode())]
        refused = await api.get("/api/v1/me", headers=sent)  # type: ignore[arg-type]
        assert refused.status_code == 401
        assert "bait" not in refused.text + str(refused.headers)
