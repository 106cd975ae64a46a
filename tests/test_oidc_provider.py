"""With a real OpenID Connect provider, from the sign-in form to the API: certified, and not ours.

The tests are in the order in which the provider's keys change.
"""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from alongside import api_of
from driving import API, Product, claims_of, until
from rendering import Answers, each, name_of
from signing_in import Key, Provider, new_key

pytest_plugins = ["products"]


def _oidc() -> list[Answers]:
    return [answers for answers in each("auth_provider") if answers["auth_provider"] == "oidc"]


pytestmark = [
    pytest.mark.parametrize("combination", _oidc(), ids=name_of, indirect=True, scope="session"),
]

AUDIENCE = "https://api.example.com"
ORGANIZATION = {"org_id": "org_42", "org_name": "acme", "roles": ["offline_access", "member"]}
PATIENCE = 30.0
"""Seconds; unknown keys are looked up once in ten."""


@pytest.fixture(scope="module")
def keys() -> dict[str, Key]:
    return {"old": new_key("RS256"), "new": new_key("ES256"), "newest": new_key("RS256")}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Key]) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider"), ORGANIZATION)
    provider.install()
    provider.start([keys["old"]])
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def api(product: Product, provider: Provider) -> Iterator[httpx.Client]:
    settings = {
        "AUTH_PRESET": "rfc9068",
        "AUTH_ISSUER": provider.issuer,
        "AUTH_AUDIENCE": AUDIENCE,
        "AUTH_JWKS_URL": "",
        "AUTH_CLIENT_IDS": "",
        "AUTH_ORGANIZATION_CLAIM": "",
        "AUTH_ROLE_CLAIM": "",
    }
    product.running()
    with (
        api_of(product, **settings) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=60.0) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def signed_in(provider: Provider) -> dict[str, Any]:
    """What somebody gets who signed in while the old key was the only one."""
    return provider.sign_in("ada", AUDIENCE)


def ask(api: httpx.Client, token: str) -> httpx.Response:
    return api.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"})


def is_let_in(api: httpx.Client, token: str) -> bool:
    return ask(api, token).status_code == httpx.codes.OK


def test_who_signs_in_is_known_with_organization_and_role(
    api: httpx.Client, signed_in: dict[str, Any], keys: dict[str, Key]
) -> None:
    header, claims = claims_of(signed_in["access_token"])
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": keys["old"].kid}
    assert (claims["aud"], claims["sub"], claims["client_id"]) == (AUDIENCE, "ada", "browser")

    answer = ask(api, signed_in["access_token"])
    assert answer.status_code == httpx.codes.OK, answer.text
    me = answer.json()
    assert me["user"]["subject"] == "ada"
    assert me["organization"]["external_id"] == ORGANIZATION["org_id"]
    assert me["organization"]["slug"] == ORGANIZATION["org_name"]
    assert me["role"] == "member"


def test_a_refreshed_token_is_as_good(
    api: httpx.Client, provider: Provider, signed_in: dict[str, Any]
) -> None:
    refreshed = provider.refresh(signed_in, AUDIENCE)["access_token"]
    assert refreshed != signed_in["access_token"]
    assert is_let_in(api, refreshed)


def test_what_else_the_provider_issues_is_refused(
    api: httpx.Client, provider: Provider, signed_in: dict[str, Any]
) -> None:
    other = provider.sign_in("ada", "https://other.example.com")["access_token"]
    opaque = provider.sign_in("ada", None)["access_token"]
    machine = provider.machine_token(AUDIENCE)
    assert claims_of(machine)[1]["aud"] == AUDIENCE
    assert opaque.count(".") == 0
    for what, token in {
        "the ID token": signed_in["id_token"],
        "the refresh token": signed_in["refresh_token"],
        "a machine's token": machine,
        "a token for another API": other,
        "a token that only the provider can read": opaque,
    }.items():
        answer = ask(api, token)
        assert answer.status_code == httpx.codes.UNAUTHORIZED, what
        assert 'error="invalid_token"' in answer.headers["www-authenticate"], what
    assert is_let_in(api, signed_in["access_token"])


def test_a_new_key_is_found_and_a_withdrawn_one_is_done_with(
    api: httpx.Client, provider: Provider, signed_in: dict[str, Any], keys: dict[str, Key]
) -> None:
    old = signed_in["access_token"]
    provider.start([keys["new"], keys["old"]])
    new = provider.sign_in("ada", AUDIENCE)["access_token"]
    assert claims_of(new)[0] == {"alg": "ES256", "typ": "at+jwt", "kid": keys["new"].kid}
    until(lambda: is_let_in(api, new), "the new key", PATIENCE, every=0.5)
    assert is_let_in(api, old)

    provider.start([keys["newest"], keys["new"]])
    newest = provider.sign_in("ada", AUDIENCE)["access_token"]
    until(lambda: is_let_in(api, newest), "the newest key", PATIENCE, every=0.5)
    assert is_let_in(api, new)
    assert ask(api, old).status_code == httpx.codes.UNAUTHORIZED


def test_while_the_provider_is_away_known_keys_go_on_and_unknown_ones_get_503(
    api: httpx.Client, provider: Provider
) -> None:
    genuine = provider.sign_in("ada", AUDIENCE)["access_token"]
    unknown = _named_otherwise(genuine)
    provider.stop()

    until(
        lambda: ask(api, unknown).status_code == httpx.codes.SERVICE_UNAVAILABLE,
        "that nobody can tell",
        PATIENCE,
        every=0.5,
    )
    answer = ask(api, unknown)
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert int(answer.headers["retry-after"]) > 0
    assert is_let_in(api, genuine)


def _named_otherwise(token: str) -> str:
    """The token with the name of a key that nobody has published."""
    header, _ = claims_of(token)
    renamed = json.dumps(header | {"kid": secrets.token_hex(4)}).encode()
    first = base64.urlsafe_b64encode(renamed).rstrip(b"=").decode()
    return ".".join([first, *token.split(".")[1:]])
