"""Tokens that a hostile client or a careless provider could make: refused, or read in one way only.

With every shape of every provider's tokens, as in `tests/test_auth.py`.
"""

import base64
import json
import re
from typing import Any

import pytest
from joserfc import jws

from app.auth import jwks
from app.auth.verifier import InvalidToken, KeysUnavailable, TokenVerifier
from tests.test_auth import (
    EC,
    RSA,
    Clock,
    Issuer,
    _compact,
    _segment,
    claims_of,
    clock,
    http,
    provider,
    refusal,
    settings,
    shape,
    sign,
    token_of,
    verify,
)

__all__ = ["clock", "http", "provider", "settings", "shape", "verify"]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# One token, one spelling: otherwise whoever has one has thousands, and each costs a verification.


@pytest.mark.parametrize("segment", [0, 1, 2], ids=["header", "claims", "signature"])
@pytest.mark.parametrize(
    "spelling", ["{}=", "{}==", "{}\n", " {}", "{} ", "{}\r\n", "{}!", "{}%3D", "\t{}", "{}\x00"]
)
async def test_what_is_not_base64url_is_not_read_as_if_it_were(
    verify: TokenVerifier, provider: Issuer, segment: int, spelling: str
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    parts = token.split(".")
    parts[segment] = spelling.format(parts[segment])
    reason = await refusal(verify, ".".join(parts))
    assert re.search("signature is not|not a signed token", reason)


async def test_the_other_alphabet_of_base64_is_refused(
    verify: TokenVerifier, provider: Issuer
) -> None:
    while True:
        token = token_of(provider, jti=base64.b64encode(id(object()).to_bytes(8)).decode())
        head, _, signature = token.rpartition(".")
        other = signature.replace("-", "+").replace("_", "/")
        if other != signature:
            break
    await verify.verify(token)
    assert "signature is not" in await refusal(verify, f"{head}.{other}")


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
async def test_bits_that_say_nothing_are_zero(
    verify: TokenVerifier, provider: Issuer, key: Any
) -> None:
    token = sign(provider, claims_of(provider), key, key.alg)
    await verify.verify(token)
    # 256 and 64 bytes end in a character of which four bits, or two, are left over.
    last = ALPHABET.index(token[-1])
    assert last % 4 == 0
    for spare in (1, 2, 3):
        assert "signature is not" in await refusal(verify, token[:-1] + ALPHABET[last + spare])


# Members that are there twice: the last one counts (RFC 7515, section 4, and RFC 7519, section 4).


async def test_of_claims_that_are_said_twice_the_last_one_counts(
    verify: TokenVerifier, provider: Issuer
) -> None:
    claims = json.dumps(claims_of(provider))
    first = f'{{"sub": "root", "iss": "https://evil.example", "exp": 1, {claims[1:]}'
    identity = await verify.verify(sign(provider, first.encode()))
    assert identity.subject == provider.shape.identity["sub"]
    for last in ('"iss": "https://evil.example"', '"exp": 1', '"iat": "now"'):
        await refusal(verify, sign(provider, f"{claims[:-1]}, {last}}}".encode()))


async def test_of_header_parameters_that_are_said_twice_the_last_one_counts(
    verify: TokenVerifier, provider: Issuer
) -> None:
    header = json.dumps({**provider.shape.header, "alg": "RS256", "kid": RSA.kid})
    payload = _segment(json.dumps(claims_of(provider)).encode())

    def signed(text: str) -> str:
        content = f"{_segment(text.encode())}.{payload}"
        signature = jws.JWSRegistry.algorithms["RS256"].sign(content.encode(), RSA)
        return f"{content}.{_segment(signature)}"

    await verify.verify(signed(f'{{"kid": "ins_other", "alg": "none", {header[1:]}'))
    for last in ('"kid": "ins_ec"', '"alg": "none"', '"alg": "HS256"', '"crit": []'):
        await refusal(verify, signed(f"{header[:-1]}, {last}}}"))


# Names of keys


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "file:///etc/passwd",
        "ins_rsa\r\nX-Injected: 1",
        "ins_rsa\x00",
        "ins_rsa ",
        "INS_RSA",
        "\uff49ns_rsa",
        "ins\u200b_rsa",
        "' or 1=1 --",
        "\ud800",
        "%69ns_rsa",
    ],
)
async def test_the_name_of_a_key_is_compared_and_nothing_else(
    verify: TokenVerifier, provider: Issuer, kid: str
) -> None:
    await verify.verify(token_of(provider))
    reason = await refusal(verify, sign(provider, claims_of(provider), kid=kid))
    assert "unknown key" in reason
    assert reason.isprintable()


# Values


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", ["1e400", "-0.0", "1.0", "1e9", "NaN", "-1", "Infinity", "9" * 400]
)
async def test_times_are_written_as_whole_numbers(
    verify: TokenVerifier, provider: Issuer, claim: str, value: str
) -> None:
    claims = json.dumps(claims_of(provider, **{claim: 123456789}))
    await refusal(verify, sign(provider, claims.replace("123456789", value).encode()))


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00x", "a\\u0000b"])
async def test_texts_that_are_no_unicode_are_refused(
    verify: TokenVerifier, provider: Issuer, text: str
) -> None:
    claims = claims_of(provider, name="Ada Lovelace", email="Ada Lovelace", email_verified=True)
    payload = json.dumps(claims).replace("Ada Lovelace", text)
    await refusal(verify, sign(provider, payload.encode()))


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\0" * 256, b"\xff" * 64, b"\0" * 63])
@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
async def test_a_signature_of_nothing_signs_nothing(
    verify: TokenVerifier, provider: Issuer, key: Any, signature: bytes
) -> None:
    head, _, _ = sign(provider, claims_of(provider), key, key.alg).rpartition(".")
    assert await refusal(verify, f"{head}.{_segment(signature)}")


async def test_other_serialisations_are_no_tokens(verify: TokenVerifier, provider: Issuer) -> None:
    header, payload, signature = token_of(provider).split(".")
    flattened = {"protected": header, "payload": payload, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": header, "signature": signature}]}
    for token in (
        json.dumps(flattened),
        json.dumps(general),
        f"{header}.{payload}.{signature}.{signature}.{signature}",
        f"{header}.{payload}.{signature}.",
        f".{header}.{payload}.{signature}",
        f"{header}..{signature}",
    ):
        assert await refusal(verify, token)


async def test_a_token_in_a_token_is_not_unwrapped(verify: TokenVerifier, provider: Issuer) -> None:
    inner = token_of(provider)
    header = {**provider.shape.header, "alg": "RS256", "kid": RSA.kid, "cty": "JWT"}
    assert "not a JSON object" in await refusal(verify, _compact(header, inner.encode(), RSA))


# What the provider publishes


@pytest.mark.parametrize(
    "published",
    [
        {"keys": [{**RSA.as_dict(private=False), "kid": f"k{n}"} for n in range(10_000)]},
        {"keys": [RSA.as_dict(private=False)], "padding": "x" * 50_000_000},
    ],
    ids=["10,000 keys", "50 MB"],
)
async def test_a_set_of_keys_without_measure_is_not_taken(
    verify: TokenVerifier, provider: Issuer, clock: Clock, published: dict[str, Any]
) -> None:
    token = token_of(provider)
    await verify.verify(token)
    provider.answer = json.dumps(published).encode()
    clock.seconds += jwks.TTL
    await verify.verify(token)
    with pytest.raises(KeysUnavailable):
        await verify.verify(sign(provider, claims_of(provider), kid="k1"))
    with pytest.raises((InvalidToken, KeysUnavailable)):
        await verify.verify(sign(provider, claims_of(provider), kid="k9999"))
