"""Tokens against a real issuer on loopback: what is let in, what is refused, and why.

It is the same for every provider, and runs for every shape of its tokens; `tests/providers` has
what a token looks like. The verifier's own clocks are passed in, so nothing here waits for time to
go by.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from app.auth import jwks, publishing, verifier
from app.auth.permissions import ROLES, role_named
from app.auth.verifier import InvalidToken, KeysUnavailable, TokenVerifier, www_authenticate
from app.choices import provider as chosen
from app.dev import issuer, tokens
from app.dev.choices import provider as development_provider
from app.dev.processes import DevelopmentError
from tests.choices import provider as expected
from tests.providers import Shape, Wrong

BACKEND = Path(__file__).resolve().parents[1]

Key = RSAKey | ECKey | OKPKey | OctKey

RSA = RSAKey.generate_key(2048, {"kid": "ins_rsa", "use": "sig", "alg": "RS256"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "ins_other", "use": "sig", "alg": "RS256"})
EC = ECKey.generate_key("P-256", {"kid": "ins_ec", "use": "sig", "alg": "ES256"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ins_ed", "use": "sig", "alg": "EdDSA"})

ELSEWHERE = "/elsewhere/jwks.json"
"""Where a redirect leads to, and keys are that are nobody's."""


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Issuer:
    """An HTTP server on loopback that publishes keys, and can be slow, broken or gone."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.keys: list[Key] = [RSA, EC]
        self.fetches = 0
        self.answer: bytes | None = None
        self.status = "200 OK"
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The issuer, as its tokens name it."""
        return self.origin + self.shape.issuer_path

    @property
    def keys_url(self) -> str:
        return self.origin + self.shape.keys_path

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.decode().split(" ")[1]
            pages = self.shape.pages(self.url, self.keys_url)
            status, body = "200 OK", json.dumps(pages.get(path)).encode()
            if path not in pages:
                assert path in {self.shape.keys_path, ELSEWHERE}
                self.fetches += 1
                await self.unblocked.wait()
                status, body = self.status, self.answer or b""
                if path == ELSEWHERE:
                    status = "200 OK"
                if self.answer is None or path == ELSEWHERE:
                    published = [key.as_dict(private=isinstance(key, OctKey)) for key in self.keys]
                    body = json.dumps({"keys": published}).encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            writer.write(body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture(params=expected.SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return expected.SHAPES[request.param]


@pytest.fixture
async def provider(shape: Shape) -> AsyncIterator[Issuer]:
    provider = Issuer(shape)
    await provider.start()
    yield provider
    provider.unblocked.set()
    await provider.stop()


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield http


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(provider: Issuer) -> chosen.Settings:
    return provider.shape.settings(provider.url)


@pytest.fixture
async def verify(
    settings: chosen.Settings, http: httpx.AsyncClient, clock: Clock
) -> AsyncIterator[TokenVerifier]:
    verify = TokenVerifier(settings, http, monotonic=clock)
    yield verify
    await verify.aclose()


def claims_of(provider: Issuer, **overrides: object) -> dict[str, Any]:
    """The claims of a token that is let in; None leaves one out."""
    claims = provider.shape.claims(provider.url, int(time.time()))
    claims.update(overrides)
    return {name: value for name, value in claims.items() if value is not None}


def sign(
    provider: Issuer, claims: object, key: Key = RSA, alg: str = "RS256", **header: object
) -> str:
    """Sign whatever is asked for; None leaves a header parameter out."""
    given = {**provider.shape.header, "alg": alg, "kid": key.kid, **header}
    return _compact({k: v for k, v in given.items() if v is not None}, claims, key)


def token_of(provider: Issuer, **overrides: object) -> str:
    return sign(provider, claims_of(provider, **overrides))


def _compact(header: dict[str, Any], claims: object, key: Key) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{_segment(json.dumps(header).encode())}.{_segment(payload)}"
    algorithm = jws.JWSRegistry.algorithms["Ed25519" if header["alg"] == "EdDSA" else header["alg"]]
    return f"{signed}.{_segment(algorithm.sign(signed.encode(), key))}"


def _segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _at(url: str) -> publishing.FindKeys:
    async def find_keys(_: publishing.Read) -> str:
        return url

    return find_keys


async def refusal(verify: TokenVerifier, token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        await verify.verify(token)
    return caught.value.reason


# What is let in


async def test_a_users_token_becomes_an_identity(verify: TokenVerifier, provider: Issuer) -> None:
    claims = claims_of(provider)
    identity = await verify.verify(sign(provider, claims))

    assert identity.session == provider.shape.session
    times = {"iat": claims["iat"], "exp": claims["exp"]}
    assert identity.claims() == {**provider.shape.identity, **times}


async def test_without_an_active_organization_there_is_no_role(
    verify: TokenVerifier, provider: Issuer
) -> None:
    identity = await verify.verify(token_of(provider, **provider.shape.without_organization))

    assert (identity.organization, identity.organization_slug, identity.role) == (None, None, None)
    assert not {"org_id", "org_slug", "org_role"} & identity.claims().keys()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("admin", "admin"),
        ("owner", "owner"),
        ("member", "member"),
        ("viewer", "viewer"),
        ("billing_manager", "viewer"),
        ("Admin", "viewer"),
        ("", "viewer"),
    ],
)
async def test_roles(verify: TokenVerifier, provider: Issuer, name: str, role: str) -> None:
    identity = await verify.verify(token_of(provider, **provider.shape.with_role(name)))

    assert identity.role == role == role_named(name)


def test_each_role_may_do_what_the_lesser_one_may() -> None:
    assert ROLES["viewer"] < ROLES["member"] < ROLES["admin"] <= ROLES["owner"]
    assert not any(permission.endswith(":write") for permission in ROLES["viewer"])
    assert "audit:read" not in ROLES["member"]


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
async def test_the_accepted_kinds_of_key(
    verify: TokenVerifier, provider: Issuer, key: Key, alg: str
) -> None:
    provider.keys = [key]
    token = sign(provider, claims_of(provider), key, alg)

    assert (await verify.verify(token)).subject == provider.shape.identity["sub"]


async def test_a_key_that_states_no_algorithm_has_its_types_usual_one(
    verify: TokenVerifier, provider: Issuer
) -> None:
    key = RSAKey.generate_key(2048, {"kid": "ins_bare"})
    provider.keys = [key]

    await verify.verify(sign(provider, claims_of(provider), key))
    assert "not allowed" in await refusal(verify, sign(provider, claims_of(provider), key, "PS256"))


# Times


@pytest.mark.parametrize(
    ("claim", "seconds", "reason"),
    [
        ("exp", -6, "expired"),
        ("nbf", +7, "not valid for another"),
        ("iat", +7, "in the future"),
    ],
)
async def test_outside_its_time_a_token_is_refused(
    verify: TokenVerifier, provider: Issuer, claim: str, seconds: int, reason: str
) -> None:
    claims = claims_of(provider, **{claim: int(time.time()) + seconds})
    assert reason in await refusal(verify, sign(provider, claims))


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -2), ("nbf", +4), ("iat", +4)])
async def test_the_providers_clock_may_be_a_little_off(
    verify: TokenVerifier, provider: Issuer, claim: str, seconds: int
) -> None:
    await verify.verify(sign(provider, claims_of(provider, **{claim: int(time.time()) + seconds})))


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", ["soon", 1.5, True, -1, 10**400, [1], {}], ids=lambda value: type(value).__name__
)
async def test_times_are_whole_seconds(
    verify: TokenVerifier, provider: Issuer, claim: str, value: object
) -> None:
    assert f"claim {claim}" in await refusal(
        verify, sign(provider, claims_of(provider, **{claim: value}))
    )


@pytest.mark.parametrize(
    ("overrides", "detail"),
    [
        ({"exp": 1}, "The access token has expired."),
        ({"iss": "https://evil.example"}, "The access token is not valid."),
    ],
)
async def test_the_caller_learns_only_what_helps(
    verify: TokenVerifier, provider: Issuer, overrides: dict[str, object], detail: str
) -> None:
    with pytest.raises(InvalidToken) as caught:
        await verify.verify(sign(provider, claims_of(provider, **overrides)))

    assert caught.value.detail == detail
    assert www_authenticate(caught.value) == (
        f'Bearer realm="api", error="invalid_token", error_description="{detail}"'
    )
    assert www_authenticate() == 'Bearer realm="api"'


async def test_a_remembered_verdict_ends_with_its_token(
    settings: chosen.Settings, http: httpx.AsyncClient, provider: Issuer
) -> None:
    now = Clock()
    now.seconds = time.time()
    verify = TokenVerifier(settings, http, now=now)
    token = token_of(provider)
    await verify.verify(token)

    now.seconds += 60 + settings.auth_clock_skew
    assert "expired" in await refusal(verify, token)


# What is stored


@pytest.mark.parametrize("text", ["Ada\0", "A" * 321])
async def test_texts_that_the_database_cannot_hold_are_refused(
    verify: TokenVerifier, provider: Issuer, text: str
) -> None:
    token = token_of(provider, name=text, email=text)
    assert re.search("320 characters|length <= 320", await refusal(verify, token))


# The provider's own rules


@pytest.mark.parametrize(
    ("shape", "name"),
    [(shape, name) for shape, details in expected.SHAPES.items() for name in details.refused],
    indirect=["shape"],
)
async def test_tokens_that_no_user_of_this_application_has(
    verify: TokenVerifier, provider: Issuer, name: str
) -> None:
    reason, claims, header = provider.shape.refused[name]
    token = sign(provider, claims_of(provider, **claims), **header)
    assert reason in await refusal(verify, token)


@pytest.mark.parametrize("wrong", get_args(Wrong))
async def test_every_provider_refuses_what_is_wrong_in_one_of_these_ways(
    verify: TokenVerifier, provider: Issuer, wrong: Wrong
) -> None:
    reason, claims, header = provider.shape.refused[provider.shape.wrong[wrong]]
    await verify.verify(token_of(provider))
    token = sign(provider, claims_of(provider, **claims), **header)
    assert reason in await refusal(verify, token)


# Signatures


async def test_without_a_signature_a_token_is_refused(
    verify: TokenVerifier, provider: Issuer
) -> None:
    payload = _segment(json.dumps(claims_of(provider)).encode())
    for alg in ("none", "None", "NONE"):
        header = _segment(
            json.dumps({**provider.shape.header, "alg": alg, "kid": RSA.kid}).encode()
        )
        assert "signs" in await refusal(verify, f"{header}.{payload}.")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_the_public_key_is_no_shared_secret(
    verify: TokenVerifier, provider: Issuer, alg: str
) -> None:
    secrets = [
        RSA.as_pem(private=False),
        RSA.as_pem(private=False).strip(),
        RSA.as_der(private=False),
        json.dumps(RSA.as_dict(private=False)).encode(),
        json.dumps(RSA.as_dict(private=False), separators=(",", ":")).encode(),
        str(RSA.as_dict()["n"]).encode(),
        b"",
    ]
    header = _segment(json.dumps({**provider.shape.header, "alg": alg, "kid": RSA.kid}).encode())
    signed = f"{header}.{_segment(json.dumps(claims_of(provider)).encode())}"
    for secret in secrets:
        digest = getattr(hashlib, f"sha{alg[2:]}")
        signature = hmac.new(secret, signed.encode(), digest).digest()
        assert "not allowed" in await refusal(verify, f"{signed}.{_segment(signature)}")


async def test_a_symmetric_key_in_the_set_is_not_used(
    verify: TokenVerifier, provider: Issuer
) -> None:
    shared = OctKey.generate_key(256, {"kid": "ins_oct", "alg": "HS256", "use": "sig"})
    provider.keys = [RSA, shared]
    assert "unknown key" in await refusal(
        verify, sign(provider, claims_of(provider), shared, "HS256")
    )


async def test_the_key_decides_the_algorithm_not_the_header(
    verify: TokenVerifier, provider: Issuer
) -> None:
    claims = claims_of(provider)
    # Signed by the RSA key, in the name of the EC key, with either algorithm in the header.
    assert "not allowed" in await refusal(verify, sign(provider, claims, RSA, kid=EC.kid))
    forged = sign(provider, claims, kid=EC.kid)
    header = _segment(json.dumps({**provider.shape.header, "alg": "ES256", "kid": EC.kid}).encode())
    _, payload, signature = forged.split(".")
    assert "signature" in await refusal(verify, f"{header}.{payload}.{signature}")
    # The right key, another of its type's algorithms.
    assert "not allowed" in await refusal(verify, sign(provider, claims, RSA, "PS256"))
    assert "not allowed" in await refusal(verify, sign(provider, claims, RSA, "RS512"))


async def test_another_key_of_the_set_cannot_sign_in_this_ones_name(
    verify: TokenVerifier, provider: Issuer
) -> None:
    provider.keys = [RSA, OTHER_RSA]
    assert "signature" in await refusal(
        verify, sign(provider, claims_of(provider), OTHER_RSA, kid=RSA.kid)
    )


async def test_changed_claims_do_not_fit_the_signature(
    verify: TokenVerifier, provider: Issuer
) -> None:
    header, _, signature = token_of(provider).split(".")
    payload = _segment(json.dumps(claims_of(provider, sub="root")).encode())
    assert "signature" in await refusal(verify, f"{header}.{payload}.{signature}")
    assert "signature" in await refusal(verify, f"{header}.{payload}.")


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": ED.as_dict(private=False)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": ["urn:example:unknown"], "urn:example:unknown": 1},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
    ],
    ids="+".join,
)
async def test_headers_that_bring_a_key_or_an_extension(
    verify: TokenVerifier, provider: Issuer, header: dict[str, Any]
) -> None:
    # By a key of the issuer's, so that nothing but the header is wrong.
    reason = await refusal(verify, sign(provider, claims_of(provider), EC, "ES256", **header))
    assert reason.startswith("refused header parameter")
    assert provider.fetches == 0


async def test_a_key_that_comes_with_the_token_is_not_asked(
    verify: TokenVerifier, provider: Issuer
) -> None:
    token = sign(provider, claims_of(provider), ED, "EdDSA", jwk=ED.as_dict(private=False))
    assert "refused header parameter: jwk" in await refusal(verify, token)


@pytest.mark.parametrize("kid", [None, "", 1, ["ins_rsa"], {"a": 1}, "k" * 300])
async def test_a_token_must_name_its_key(
    verify: TokenVerifier, provider: Issuer, kid: object
) -> None:
    assert "names no key" in await refusal(verify, sign(provider, claims_of(provider), kid=kid))
    assert provider.fetches == 0


async def test_a_key_of_another_issuer_in_the_same_set_signs_for_that_one_only(
    verify: TokenVerifier, provider: Issuer
) -> None:
    keys = [
        {**OTHER_RSA.as_dict(private=False), "issuer": "https://other.example"},
        {**RSA.as_dict(private=False), "issuer": provider.url},
    ]
    provider.answer = json.dumps({"keys": keys}).encode()
    await verify.verify(token_of(provider))
    reason = await refusal(verify, sign(provider, claims_of(provider), OTHER_RSA))
    assert "signs for 'https://other.example' only" in reason


# Malformed


async def test_oversized_tokens_are_refused_unread(verify: TokenVerifier, provider: Issuer) -> None:
    token = sign(provider, claims_of(provider, pad="x" * verifier.MAX_TOKEN_LENGTH))
    assert "longer than" in await refusal(verify, token)
    assert provider.fetches == 0


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d",
        "....",
        "null",
        "Bearer x",
        "ak_0123456789",
        "🔑.🔑.🔑",
        "\x00.\x00.\x00",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJhbGciOiJSUzI1NiJ9.e30",
        "eyJhbGciOiJSUzI1NiJ9.e30.",
        "eyJhbGciOiJSUzI1NiJ9.e30.AA==",
        _segment(b"[]") + ".e30.AA",
        _segment(b"5") + ".e30.AA",
        _segment(b"null") + ".e30.AA",
        _segment(b'"alg b64"') + ".e30.AA",
        _segment(b'["alg","b64"]') + ".e30.AA",
        _segment(b'["alg"]') + ".e30.AA",
        _segment(b'{"alg":null,"kid":"ins_rsa"}') + ".e30.AA",
        _segment(b'{"alg":["RS256"],"kid":"ins_rsa"}') + ".e30.AA",
        _segment(b'{"alg":"RS256","kid":"ins_rsa","typ":1}') + ".e30.AA",
        _segment(b'{"alg":"RS256","kid":"ins_rsa"}') + ".!!.AA",
        _segment(b'{"alg":"RS256","kid":"ins_rsa"}') + "..AA",
        _segment(b"\xff\xfe") + ".e30.AA",
        _segment(b"[" * 300) + ".e30.AA",
        _segment(b"{" * 6000) + ".e30.AA",
        _segment(b'{"alg":1e999}') + ".e30.AA",
    ],
)
async def test_what_is_no_token_is_refused_and_breaks_nothing(
    verify: TokenVerifier, token: str
) -> None:
    assert await refusal(verify, token)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000, b'{"exp":1}', b'{"a":' * 900]
)
async def test_signed_nonsense_is_refused(
    verify: TokenVerifier, provider: Issuer, payload: bytes
) -> None:
    assert await refusal(verify, sign(provider, payload))


# Keys come and go


async def test_a_new_key_works_at_once(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    await verify.verify(token_of(provider))
    provider.keys = [RSA, OTHER_RSA]
    clock.seconds += jwks.COOLDOWN

    await verify.verify(sign(provider, claims_of(provider), OTHER_RSA))
    await verify.verify(token_of(provider))
    assert provider.fetches == 2


async def test_a_withdrawn_key_takes_its_remembered_verdicts_along(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    withdrawn = sign(provider, claims_of(provider), RSA)
    kept = sign(provider, claims_of(provider), EC, "ES256")
    await verify.verify(withdrawn)
    await verify.verify(kept)
    provider.keys = [EC]
    await verify.verify(withdrawn)  # nobody has looked again yet

    clock.seconds += jwks.TTL
    assert "unknown key" in await refusal(verify, withdrawn)
    await verify.verify(kept)
    assert provider.fetches == 2


async def test_other_key_material_under_the_same_id_ends_the_verdict(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    provider.keys = [RSAKey.generate_key(2048, {"kid": "ins_rsa", "alg": "RS256"})]

    clock.seconds += jwks.TTL
    assert "signature" in await refusal(verify, token)


async def test_an_unchanged_key_keeps_its_verdicts(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    token = token_of(provider)
    first = await verify.verify(token)
    clock.seconds += jwks.TTL

    assert await verify.verify(token) is first
    assert provider.fetches == 2


async def test_forged_key_ids_do_not_reach_the_provider(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    await verify.verify(token_of(provider))
    clock.seconds += jwks.COOLDOWN

    forged = [sign(provider, claims_of(provider), kid=f"ins_forged{n}") for n in range(500)]
    answers = await asyncio.gather(*map(verify.verify, forged), return_exceptions=True)
    assert all(isinstance(answer, InvalidToken) for answer in answers)
    for token in forged:
        await refusal(verify, token)
    assert provider.fetches == 2  # one for the valid token, one for all the forged ones


async def test_a_cold_cache_asks_once_for_everyone(verify: TokenVerifier, provider: Issuer) -> None:
    provider.unblocked.clear()
    waiting = [
        asyncio.create_task(verify.verify(sign(provider, claims_of(provider, jti=f"{n}"))))
        for n in range(100)
    ]
    while provider.fetches == 0:
        await asyncio.sleep(0)
    waiting[0].cancel()  # who hangs up does not take the others along
    provider.unblocked.set()

    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert not any(isinstance(answer, BaseException) for answer in answers[1:])
    assert provider.fetches == 1


async def test_keys_are_renewed_before_anyone_has_to_wait(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    provider.unblocked.clear()

    clock.seconds += jwks.TTL - jwks.REFRESH_AHEAD
    await asyncio.wait_for(verify.verify(token), 10)
    while provider.fetches < 2:
        await asyncio.sleep(0)


# The provider is slow, broken or gone


async def test_known_keys_outlive_an_outage_but_not_for_ever(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    await provider.stop()

    clock.seconds += jwks.TTL
    await verify.verify(token)
    await verify.verify(sign(provider, claims_of(provider, jti="2")))
    with pytest.raises(KeysUnavailable) as caught:
        await verify.verify(sign(provider, claims_of(provider), OTHER_RSA))
    assert provider.origin in caught.value.reason

    clock.seconds += jwks.MAX_STALE
    with pytest.raises(KeysUnavailable):
        await verify.verify(token)

    await provider.start()
    clock.seconds += jwks.RETRY_AFTER_FAILURE
    await verify.verify(token)


async def test_in_an_outage_nobody_waits_twice(
    verify: TokenVerifier, provider: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    provider.unblocked.clear()

    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.2)
    clock.seconds += jwks.TTL
    await verify.verify(token)  # waits for the one request that times out
    clock.seconds += jwks.RETRY_AFTER_FAILURE
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 60)
    await asyncio.wait_for(verify.verify(token), 10)  # tries again, and does not wait for it


async def test_an_outage_of_long_ago_is_no_reason_to_trust_a_withdrawn_key(
    verify: TokenVerifier, provider: Issuer, clock: Clock
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    provider.status = "503 Service Unavailable"
    clock.seconds += jwks.TTL
    await verify.verify(token)

    provider.status, provider.keys = "200 OK", [EC]
    clock.seconds += jwks.TTL + jwks.RETRY_AFTER_FAILURE
    assert "unknown key" in await refusal(verify, token)


async def test_a_provider_that_never_answers_is_a_503_in_bounded_time(
    verify: TokenVerifier, provider: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.2)
    provider.unblocked.clear()

    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            await asyncio.wait_for(verify.verify(token_of(provider)), 10)
    assert provider.fetches == 1


async def test_a_provider_that_drips_is_cut_off(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.3)
    gone = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            gone.set()
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        cache = jwks.JwksCache(_at(url), http)
        with pytest.raises(KeysUnavailable):
            await asyncio.wait_for(cache.get("ins_rsa"), 10)
        await asyncio.wait_for(gone.wait(), 10)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("500 Internal Server Error", b"{}"),
        ("404 Not Found", b"{}"),
        (f"302 Found\r\nLocation: {ELSEWHERE}", b""),
        ("200 OK", b""),
        ("200 OK", b"<html>"),
        ("200 OK", b"[]"),
        ("200 OK", b'{"keys": {}}'),
        ("200 OK", b'{"keys": []}'),
        ("200 OK", b'{"keys": [1, null, "k", [], {}]}'),
        ("200 OK", b'{"keys": [' + b"[" * 50_000),
        ("200 OK", b"\xff\xfe"),
        ("200 OK", json.dumps({"keys": [RSA.as_dict()] + [{"kty": "RSA"}] * 32}).encode()),
        ("200 OK", json.dumps({"keys": [RSA.as_dict()], "pad": "x" * 70_000}).encode()),
        ("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8b\x08\x00"),
    ],
)
async def test_an_unusable_answer_is_a_503_and_leaves_known_keys_alone(
    verify: TokenVerifier, provider: Issuer, clock: Clock, status: str, answer: bytes
) -> None:
    token = token_of(provider)
    provider.status, provider.answer = status, answer
    with pytest.raises(KeysUnavailable):
        await verify.verify(token)

    provider.status, provider.answer = "200 OK", None
    clock.seconds += jwks.RETRY_AFTER_FAILURE
    await verify.verify(token)

    provider.status, provider.answer = status, answer
    clock.seconds += jwks.TTL
    await verify.verify(token)
    assert provider.fetches == 3


async def test_a_provider_that_does_not_say_where_its_keys_are_is_a_503(
    http: httpx.AsyncClient,
) -> None:
    async def find_keys(_: publishing.Read) -> str:
        raise publishing.Unusable("no keys")

    with pytest.raises(KeysUnavailable, match="no keys"):
        await jwks.JwksCache(find_keys, http).get("ins_rsa")


@pytest.mark.parametrize("address", ["https://[", "https://x:99999/", "https://xn--a/", "ftp://x"])
async def test_keys_at_an_address_that_is_none_are_a_503(
    http: httpx.AsyncClient, address: str
) -> None:
    with pytest.raises(KeysUnavailable, match="://"):
        await jwks.JwksCache(_at(address), http).get("ins_rsa")


def _weak() -> dict[str, Any]:
    """A 1024-bit modulus; joserfc warns when it makes such a key itself."""
    return {"kty": "RSA", "kid": "weak", "alg": "RS256", "e": "AQAB", "n": _segment(b"\xc1" * 128)}


@pytest.mark.parametrize(
    "jwk",
    [
        _weak(),
        {**RSA.as_dict(), "use": "enc"},
        {**RSA.as_dict(), "use": ["sig"]},
        {**RSA.as_dict(), "use": {}},
        {**RSA.as_dict(), "key_ops": ["encrypt"]},
        {**RSA.as_dict(), "alg": "HS256"},
        {**RSA.as_dict(), "alg": "RSA-OAEP"},
        {**RSA.as_dict(), "alg": ["RS256"]},
        {**RSA.as_dict(), "kid": ""},
        {**RSA.as_dict(), "kid": 1},
        {**RSA.as_dict(), "kid": None},
        {**RSA.as_dict(), "n": "!!"},
        {**RSA.as_dict(), "n": ""},
        {**RSA.as_dict(), "n": None},
        {**RSA.as_dict(), "e": "AA"},
        {**EC.as_dict(), "x": "AAAA"},
        {**EC.as_dict(), "alg": "RS256"},
        ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(),
        OKPKey.generate_key("X25519", {"kid": "x25519"}).as_dict(),
        OKPKey.generate_key("Ed448", {"kid": "ed448"}).as_dict(),
        OctKey.generate_key(256, {"kid": "oct"}).as_dict(private=True),
        {**ED.as_dict(), "x": "AA"},
        {"kty": ["RSA"], "kid": "list"},
        {"kty": "RSA", "kid": "empty"},
    ],
    ids=lambda jwk: f"{jwk['kty']}-{jwk.get('kid')}",
)
async def test_keys_that_are_not_accepted(
    http: httpx.AsyncClient, provider: Issuer, jwk: dict[str, Any]
) -> None:
    good = OTHER_RSA.as_dict(private=False)
    provider.answer = json.dumps({"keys": [jwk, good]}).encode()
    cache = jwks.JwksCache(_at(provider.keys_url), http)

    with pytest.raises(jwks.UnknownKey):
        await cache.get(str(jwk.get("kid")))
    assert (await cache.get("ins_other")).algorithm == "RS256"


async def test_the_first_of_two_keys_with_one_id_counts(
    verify: TokenVerifier, provider: Issuer
) -> None:
    second = RSAKey.generate_key(2048, {"kid": "ins_rsa", "alg": "RS256"})
    provider.keys = [RSA, second]
    await verify.verify(sign(provider, claims_of(provider), RSA))
    assert "signature" in await refusal(verify, sign(provider, claims_of(provider), second))


async def test_remembered_verdicts_are_bounded(
    verify: TokenVerifier, provider: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "MAX_VERDICTS", 2)
    one, two, three = (sign(provider, claims_of(provider, jti=f"{n}")) for n in range(3))
    first, second = await verify.verify(one), await verify.verify(two)
    assert await verify.verify(one) is first  # used last, so the other one goes

    await verify.verify(three)
    assert await verify.verify(one) is first
    assert await verify.verify(two) is not second


# Settings


class FromEnvironment(chosen.Settings, BaseSettings):
    """As the application reads them."""


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    for name in chosen.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in expected.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return expected.ENVIRONMENT


@pytest.mark.usefixtures("production")
def test_settings_are_read_from_the_environment() -> None:
    settings = FromEnvironment()

    assert {name: getattr(settings, name) for name in expected.READ} == expected.READ
    settings.require_production_provider()


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(("name", "value"), expected.BAD_SETTINGS)
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        FromEnvironment()
    assert (name.lower(),) in [problem["loc"] for problem in caught.value.errors()]


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(("name", "value"), expected.DEVELOPMENT_ONLY)
def test_what_is_for_development_is_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="for development only") as caught:
        FromEnvironment().require_production_provider()
    assert str(caught.value).startswith(name)


# The development issuer


@pytest.fixture
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "development")
    for name in chosen.Settings.model_fields:
        monkeypatch.setenv(name.upper(), development_provider.SETTINGS.get(name.upper(), ""))


@pytest.mark.usefixtures("development")
async def test_the_production_verifier_accepts_what_the_issuer_published(
    tmp_path: Path, http: httpx.AsyncClient
) -> None:
    url = issuer.issuer_url(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.dev.issuer", "--dev-dir", str(tmp_path), cwd=BACKEND
    )
    try:
        await _until_answering(http, f"{url}/.well-known/jwks.json", process)
        needed = {name.lower(): value for name, value in development_provider.SETTINGS.items()}
        settings = chosen.Settings.model_validate({"auth_issuer": url, **needed})
        verify = TokenVerifier(settings, http)
        key = issuer.load_or_create(tmp_path)

        identity = await verify.verify(tokens.mint("u1", "acme", "admin", 60, url, key=key))
        user = development_provider.subject("u1")
        assert (identity.subject, identity.role) == (user, "admin")
        assert (identity.organization, identity.organization_slug) == ("org_acme", "acme")
        alone = await verify.verify(tokens.mint(user, "", issuer=url, key=key))
        assert (alone.subject, alone.organization) == (user, None)
        expired = tokens.mint(ttl=-60, issuer=url, key=key)
        assert "expired" in await refusal(verify, expired)
        other = tokens.mint(issuer=url, key=key, iss="https://evil.example")
        assert "issued by" in await refusal(verify, other)

        published = (await http.get(f"{url}/.well-known/jwks.json")).json()
        assert [set(jwk) for jwk in published["keys"]] == [{"kty", "kid", "use", "alg", "n", "e"}]
        assert (await http.post(f"{url}/.well-known/jwks.json")).status_code == 405
        assert (await http.get(f"{url}/tokens")).status_code == 404
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) in {0, -15}


async def _until_answering(
    http: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process
) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.returncode is None, "the issuer ended"
        try:
            await http.get(url)
        except httpx.TransportError:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError(f"{url} does not answer")


@pytest.mark.usefixtures("development")
def test_the_issuers_key_and_port_are_kept_and_private(tmp_path: Path) -> None:
    dev_dir = tmp_path / ".dev"
    assert issuer.remembered_port(dev_dir) is None
    key = issuer.load_or_create(dev_dir)
    url = issuer.issuer_url(dev_dir)

    assert (
        issuer.issuer_url(dev_dir)
        == url
        == f"http://127.0.0.1:{issuer.remembered_port(dev_dir)}{development_provider.ISSUER_PATH}"
    )
    issuer.remember_port(dev_dir, 4321)
    assert issuer.issuer_url(dev_dir).startswith("http://127.0.0.1:4321")
    assert issuer.load_or_create(dev_dir).kid == key.kid
    assert stat.S_IMODE((dev_dir / "issuer.json").stat().st_mode) == 0o600


@pytest.mark.usefixtures("development")
def test_starts_at_the_same_moment_agree_on_one_key(tmp_path: Path) -> None:
    # Threads race as processes do here: the lock belongs to the opened file.
    together = threading.Barrier(8)

    def kid(_: int) -> str:
        together.wait(10)
        return issuer.load_or_create(tmp_path / ".dev").kid

    with ThreadPoolExecutor(8) as starts:
        assert len(set(starts.map(kid, range(8)))) == 1


@pytest.mark.usefixtures("development")
def test_a_damaged_key_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "issuer.json").write_text('{"port": 1')
    with pytest.raises(DevelopmentError, match="Delete it"):
        issuer.load_or_create(tmp_path)
    (tmp_path / "issuer.json").write_text('{"port": 1, "key": {"kty": "RSA"}}')
    with pytest.raises(DevelopmentError, match="Delete it"):
        issuer.load_or_create(tmp_path)


@pytest.mark.parametrize("environment", ["production", "staging", ""])
def test_outside_development_nothing_is_issued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    attempts: list[Callable[[], object]] = [
        tokens.mint,
        lambda: issuer.load_or_create(tmp_path / ".dev"),
        lambda: issuer.issuer_url(tmp_path / ".dev"),
        lambda: issuer.serve(1, tmp_path / ".dev"),
    ]
    for attempt in attempts:
        with pytest.raises(DevelopmentError, match="development only"):
            attempt()
    assert not (tmp_path / ".dev").exists()


def test_the_issuer_says_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "app.dev.issuer", f"--port={port}", f"--dev-dir={tmp_path}"],
            cwd=BACKEND,
            env={**os.environ, "ENVIRONMENT": "test"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("development")
def test_only_the_token_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tokens, "DEV_DIR", tmp_path)
    tokens.token(user="u2", org="", ttl=10)

    printed = capsys.readouterr()
    assert printed.err == ""
    claims = json.loads(base64.urlsafe_b64decode(printed.out.strip().split(".")[1] + "=="))
    assert claims["sub"] == development_provider.subject("u2")
    assert claims["exp"] - claims["iat"] == 10
