"""Signing in without an account: who may ask the development issuer for a token, and gets which."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.auth.verifier import TokenVerifier
from app.choices import provider as chosen
from app.dev import issuer
from app.dev.choices import people, provider
from app.dev.issuer_key import IssuerKey
from app.dev.processes import LOOPBACK, DevelopmentError
from app.dev.web import SIGN_IN_SECRET, sign_in

SECRET = "s" * 43
ORIGIN = f"http://{LOOPBACK}:9999"
ISSUER = ORIGIN + provider.ISSUER_PATH


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IssuerKey:
    monkeypatch.setenv("ENVIRONMENT", "development")
    return issuer.load_or_create(tmp_path)


@pytest.fixture
def asking(key: IssuerKey, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """The front end's server."""
    monkeypatch.setenv(SIGN_IN_SECRET, SECRET)
    return client_of(key, {"Authorization": f"Bearer {SECRET}"})


def client_of(key: IssuerKey, headers: dict[str, str]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(issuer.create_app(key, ISSUER))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)


async def issue(asking: httpx.AsyncClient, **wanted: Any) -> httpx.Response:
    return await asking.post("/development/token", json=wanted)


async def test_everybody_of_the_demo_data_is_listed(asking: httpx.AsyncClient) -> None:
    listed = (await asking.get("/development/people")).json()
    assert {entry["user"] for entry in listed} == {
        person.user for members in people.DEMO.values() for person in members
    }


async def test_the_production_verifier_accepts_the_token(
    asking: httpx.AsyncClient, key: IssuerKey
) -> None:
    answer = await issue(asking, user="ada", organization="acme", role="owner", email="ada@a.test")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"

    needed = {name.lower(): value for name, value in provider.SETTINGS.items()}
    settings = chosen.Settings.model_validate({"auth_issuer": ISSUER, **needed})
    async with client_of(key, {}) as http:
        identity = await TokenVerifier(settings, http).verify(answer.json()["token"])
    assert identity.email == "ada@a.test"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Host": "rebound.example.com:9999"},
        {"Host": f"localhost.example.com.{LOOPBACK}"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
    ],
    ids=json.dumps,
)
async def test_nobody_else_is_answered(asking: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/development/people"), ("POST", "/development/token")):
        answer = await asking.request(method, path, headers=headers, json={"user": "u1"})
        assert answer.status_code == 404
        assert "token" not in answer.text


@pytest.mark.parametrize("secret", [None, "", "short"])
async def test_without_a_secret_there_is_nothing_to_ask(
    key: IssuerKey, monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    monkeypatch.delenv(SIGN_IN_SECRET, raising=False)
    if secret is not None:
        monkeypatch.setenv(SIGN_IN_SECRET, secret)
    asking = client_of(key, {"Authorization": f"Bearer {secret or ''}"})
    assert (await asking.get("/development/people")).status_code == 404
    assert (await issue(asking, user="u1")).status_code == 404


async def test_in_production_it_refuses_to_start(
    key: IssuerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGN_IN_SECRET, SECRET)
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(DevelopmentError):
        issuer.create_app(key, ISSUER)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"user": ""},
        {"user": "a b"},
        {"user": "u1", "role": "Owner!"},
        {"user": "u1", "email": "nobody"},
        {"user": "u1", "claims": {"sub": "somebody"}},
    ],
    ids=json.dumps,
)
async def test_what_is_not_understood_is_refused(
    asking: httpx.AsyncClient, wanted: dict[str, Any]
) -> None:
    assert (await issue(asking, **wanted)).status_code == 422


def test_each_run_has_a_secret_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SIGN_IN_SECRET, raising=False)
    first, second = (sign_in(ORIGIN)[SIGN_IN_SECRET] for _ in range(2))
    assert first != second
    assert min(len(first), len(second)) >= 32
