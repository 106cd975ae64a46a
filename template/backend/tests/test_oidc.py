"""What an OpenID Connect provider may choose: where keys and claims are, clients, directories."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from app.auth.errors import InvalidToken
from app.auth.oidc import Settings
from app.auth.oidc.presets import PRESETS
from app.auth.publishing import Read, Unusable
from app.auth.signing_keys import read_jwk
from app.dev import oidc as development
from tests.providers.oidc import API, SHAPES, TENANT

ISSUER = "https://id.example.com/realms/acme"
PAGE = f"{ISSUER}/.well-known/openid-configuration"
NOW = 1_700_000_000


def reading(pages: Mapping[str, object]) -> Read:
    async def read(url: str) -> bytes:
        page = pages[url]
        return page if isinstance(page, bytes) else json.dumps(page).encode()

    return read


def settings(**changed: Any) -> Settings:
    return Settings(**{"auth_issuer": ISSUER, "auth_audience": [API], **changed})


def read(shape: str, settings: Settings, **changed: object) -> Any:
    claims = SHAPES[shape].claims(settings.auth_issuer, NOW) | changed
    return settings.read_identity(SHAPES[shape].header, claims)


# Discovery


async def test_the_keys_are_where_the_issuer_says() -> None:
    keys = "https://keys.example.com/certs?p=policy"
    pages = {PAGE: {"issuer": ISSUER, "jwks_uri": keys}}
    assert await settings().find_keys(reading(pages)) == keys


async def test_the_last_slash_of_an_issuer_belongs_to_it_and_not_to_the_address() -> None:
    pages = {PAGE: {"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/keys"}}
    found = await settings(auth_issuer=f"{ISSUER}/").find_keys(reading(pages))
    assert found == f"{ISSUER}/keys"
    with pytest.raises(Unusable, match="to the letter"):
        await settings().find_keys(reading(pages))


async def test_keys_that_are_set_need_no_document() -> None:
    keys = "https://api.workos.com/sso/jwks/client_1"
    assert await settings(auth_jwks_url=keys).find_keys(reading({})) == keys


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[" * 50_000,
        [],
        {"issuer": ISSUER},
        {"issuer": "https://evil.example", "jwks_uri": f"{ISSUER}/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://id.example.com/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1:9000/keys"},
        {"issuer": ISSUER, "jwks_uri": "https://localhost/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://[/keys"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": None},
    ],
    ids=lambda page: str(page)[:60],
)
async def test_a_document_that_leads_to_no_keys(page: object) -> None:
    with pytest.raises(Unusable, match=PAGE):
        await settings().find_keys(reading({PAGE: page}))


# Claims


@pytest.mark.parametrize(
    ("organization", "role", "claims"),
    [
        ("company", "rank", {"company": "42", "rank": "admin"}),
        ("company.id", "company.rank", {"company": {"id": "42", "rank": ["admin"]}}),
        (
            "https://acme.example/org",
            "https://acme.example/role",
            {"https://acme.example/org": "42", "https://acme.example/role": "admin"},
        ),
    ],
)
def test_organization_and_role_are_where_the_settings_say(
    organization: str, role: str, claims: dict[str, object]
) -> None:
    chosen = settings(auth_organization_claim=organization, auth_role_claim=role)
    identity = read("rfc9068", chosen, org_id="1", roles=["owner"], **claims)
    assert (identity.organization, identity.role) == ("42", "admin")


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        (["viewer", "owner", "member"], "owner"),
        (["offline_access"], "viewer"),
        ([], "viewer"),
        (None, "viewer"),
        ({"admin": True}, "viewer"),
        ([["admin"], {"admin": 1}, 7], "viewer"),
    ],
)
def test_of_several_roles_the_greatest_counts(roles: object, role: str) -> None:
    assert read("rfc9068", settings(), roles=roles).role == role


def test_of_several_organizations_none_is_active() -> None:
    chosen = settings(auth_preset="keycloak")
    several = {"acme": {"id": "1"}, "globex": {"id": "2"}}
    identity = read("keycloak", chosen, organization=several)
    assert (identity.organization, identity.role) == (None, None)


@pytest.mark.parametrize(
    ("verified", "kept"),
    [(True, True), ("true", True), (None, True), (False, False), ("false", False), ([], False)],
)
def test_an_address_that_nobody_has_checked_is_left_out(*, verified: object, kept: bool) -> None:
    identity = read("rfc9068", settings(), email_verified=verified)
    assert (identity.email == "ada@example.com") is kept


@pytest.mark.parametrize("shape", SHAPES)
def test_clients_can_be_named(shape: str) -> None:
    details = SHAPES[shape]
    claims = details.claims(ISSUER, NOW)
    own = str(claims.get("azp", claims.get("client_id")))
    chosen = details.settings(ISSUER)
    chosen.auth_client_ids = ["another", own]
    assert chosen.read_identity(details.header, claims)
    chosen.auth_client_ids = ["another"]
    with pytest.raises(InvalidToken, match="no client of AUTH_CLIENT_IDS"):
        chosen.read_identity(details.header, claims)


# Development


@pytest.mark.parametrize("organization", ["acme", None])
@pytest.mark.parametrize("preset", PRESETS)
def test_development_tokens_are_laid_out_as_the_preset_says(
    monkeypatch: pytest.MonkeyPatch, preset: str, organization: str | None
) -> None:
    chosen = settings(auth_preset=preset)
    for name in type(chosen).model_fields:
        monkeypatch.setenv(name.upper(), "")
    monkeypatch.setenv("AUTH_PRESET", preset)
    monkeypatch.setenv("AUTH_AUDIENCE", API)
    if preset == "workos":
        chosen.auth_audience = []
    claims = development.claims(
        user="u1", org=organization, role="member", issuer=ISSUER, now=NOW, ttl=60
    )
    identity = chosen.read_identity(development.header(NOW), claims)
    assert identity.expires_at - identity.issued_at == 60
    if organization:
        assert (identity.role, bool(identity.organization)) == ("member", True)
    else:
        # Whoever is in Entra ID is in a directory.
        assert (identity.organization is None) is (preset != "entra")


@pytest.mark.parametrize("name", ["https://acme.example/x", "company.x", "x"])
def test_development_tokens_follow_the_settings_about_claims(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("AUTH_PRESET", "")
    monkeypatch.setenv("AUTH_AUDIENCE", API)
    monkeypatch.setenv("AUTH_ORGANIZATION_CLAIM", f"{name}_org")
    monkeypatch.setenv("AUTH_ROLE_CLAIM", f"{name}_role")
    chosen = settings(
        auth_organization_claim=f"{name}_org", auth_role_claim=f"{name}_role", auth_client_ids=[]
    )
    claims = development.claims(user="u1", org="acme", role="owner", issuer=ISSUER, now=NOW, ttl=60)
    claims |= {"org_id": "another", "roles": ["viewer"]}
    identity = chosen.read_identity(development.header(NOW), claims)
    assert (identity.organization, identity.role) == ("org_acme", "owner")


# Directories of Entra ID

ANY = "https://login.microsoftonline.com/{tenantid}/v2.0"
OTHER = "00000000-1111-2222-3333-444444444444"


def entra(issuer: str = ANY) -> Settings:
    audience = ["6e74172b-be56-4843-9ff4-e66a39bb12e3"]
    return Settings(auth_preset="entra", auth_issuer=issuer, auth_audience=audience)


@pytest.mark.parametrize("directory", [TENANT, OTHER])
def test_each_directory_is_an_organization(directory: str) -> None:
    issuer = ANY.replace("{tenantid}", directory)
    identity = read("entra", entra(), tid=directory, iss=issuer)
    assert identity.organization == directory
    assert identity.subject.startswith(f"{directory}|")


@pytest.mark.parametrize(
    ("directory", "issuer"),
    [
        (OTHER, ANY.replace("{tenantid}", TENANT)),
        (OTHER, ANY),
        ("organizations", ANY.replace("{tenantid}", "organizations")),
        ("", ANY.replace("{tenantid}", "")),
        (f"{TENANT}/../{OTHER}", ANY.replace("{tenantid}", f"{TENANT}/../{OTHER}")),
        (None, ANY),
        ([TENANT], ANY.replace("{tenantid}", TENANT)),
    ],
)
def test_a_directory_cannot_speak_for_another(directory: object, issuer: str) -> None:
    with pytest.raises(InvalidToken):
        read("entra", entra(), tid=directory, iss=issuer)


async def test_the_keys_of_all_directories_are_in_one_place() -> None:
    keys = "https://login.microsoftonline.com/organizations/discovery/v2.0/keys"
    page = "https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration"
    pages = {page: {"issuer": ANY, "jwks_uri": keys}}
    assert await entra().find_keys(reading(pages)) == keys


@pytest.mark.parametrize(
    ("issuer", "read"),
    [("https://login.example/1/v2.0", "https://login.example/1/v2.0"), (ANY, None), (7, None)],
)
def test_a_key_may_be_one_issuers_own(issuer: object, read: str | None) -> None:
    key = read_jwk(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": "k",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "issuer": issuer,
        }
    )
    assert key is not None
    assert key.issuer == read


# WorkOS


def test_the_issuer_of_every_workos_customer_is_not_enough() -> None:
    with pytest.raises(ValueError, match="user_management/<client id>"):
        Settings(auth_preset="workos", auth_issuer="https://api.workos.com")


def test_an_audience_that_is_set_is_asked_for() -> None:
    chosen = settings(auth_preset="workos")
    with pytest.raises(InvalidToken, match="meant for"):
        read("workos", chosen)
    assert read("workos", chosen, aud=API).organization
