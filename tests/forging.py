"""Forged tokens: one rule broken each, in the shape that the chosen provider gives its tokens."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from joserfc import jws
from joserfc.jwk import RSAKey

from driving import Product, claims_of

Header: TypeAlias = dict[str, Any]
Claims: TypeAlias = dict[str, Any]
Forge: TypeAlias = Callable[["Forger"], str]

# Signing takes any header: what a verifier makes of it is what is tested.
_REGISTRY = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)


class Forger:
    """Holds a token that is accepted, and the development issuer's own key."""

    def __init__(self, product: Product, token: str) -> None:
        self.header, self.claims = claims_of(token)
        self.genuine = token
        issuer = json.loads((product.repository / ".dev/issuer.json").read_text())
        self._key = RSAKey.import_key(issuer["key"])

    def signed(
        self,
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        key: RSAKey | None = None,
    ) -> str:
        """A correct signature under other members; None leaves a member out."""
        return jws.serialize_compact(
            _merged(self.header, header),
            json.dumps(_merged(self.claims, claims)),
            key or self._key,
            registry=_REGISTRY,
        )

    def without_signature(self, algorithm: str) -> str:
        header = self.header | {"alg": algorithm}
        return f"{_encoded(header)}.{_encoded(self.claims)}."

    def with_public_key_as_secret(self) -> str:
        # By hand: the library refuses to do it.
        body = f"{_encoded(self.header | {'alg': 'HS256'})}.{_encoded(self.claims)}"
        secret = self._key.as_pem(private=False)
        return f"{body}.{_base64(hmac.digest(secret, body.encode(), 'sha256'))}"

    def with_embedded_key(self) -> str:
        own = RSAKey.generate_key(2048)
        return self.signed({"jwk": own.as_dict(private=False)}, key=own)

    def with_own_key(self, **header: object) -> str:
        return self.signed(header, key=RSAKey.generate_key(2048))

    def with_other_claims(self, **claims: object) -> str:
        header, _, signature = self.genuine.split(".")
        return f"{header}.{_encoded(self.claims | claims)}.{signature}"


def _merged(usual: Mapping[str, Any], other: Mapping[str, Any] | None) -> dict[str, Any]:
    merged = {**usual, **(other or {})}
    return {name: value for name, value in merged.items() if value is not None}


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _ago(seconds: int) -> int:
    return int(time.time()) - seconds


FORGERIES: dict[str, Forge] = {
    "no algorithm": lambda forger: forger.without_signature("none"),
    "no algorithm, shouted": lambda forger: forger.without_signature("NONE"),
    "no signature": lambda forger: forger.without_signature("RS256"),
    "HS256 with the public key as the secret": Forger.with_public_key_as_secret,
    "another key under the issuer's key id": Forger.with_own_key,
    "an unknown key id": lambda forger: forger.with_own_key(kid="ins_other"),
    "no key id": lambda forger: forger.signed({"kid": None}),
    "an embedded key": Forger.with_embedded_key,
    "a key at another address": lambda forger: forger.with_own_key(jku="http://127.0.0.1:9/keys"),
    "a critical extension": lambda forger: forger.signed({"crit": ["b64"], "b64": False}),
    "changed claims": lambda forger: forger.with_other_claims(sub="user_mallory"),
    "expired": lambda forger: forger.signed(claims={"iat": _ago(120), "exp": _ago(60)}),
    "without an end": lambda forger: forger.signed(claims={"exp": None}),
    "not valid yet": lambda forger: forger.signed(claims={"nbf": _ago(-600)}),
    "from another issuer": lambda forger: forger.signed(claims={"iss": "https://evil.example"}),
    "without an issuer": lambda forger: forger.signed(claims={"iss": None}),
    "another type": lambda forger: forger.signed({"typ": "secevent+jwt"}),
    "no token at all": lambda _: "not.a.token",
}
"""What every provider's verifier must refuse."""

FORGERIES_OF: dict[str, dict[str, Forge]] = {
    "clerk": {
        "for another front end": lambda forger: forger.signed(
            claims={"azp": "https://evil.example"}
        ),
        "for no front end": lambda forger: forger.signed(claims={"azp": None}),
        "of a pending session": lambda forger: forger.signed(claims={"sts": "pending"}),
        "of another version": lambda forger: forger.signed(claims={"v": 1}),
        "of a machine": lambda forger: forger.signed(claims={"sub": "mch_1"}),
        "of no session": lambda forger: forger.signed(claims={"sid": None}),
        "of an OAuth client": lambda forger: forger.signed({"typ": "at+jwt"}),
        "of someone impersonated": lambda forger: forger.signed(claims={"act": {"sub": "user_x"}}),
    },
    "oidc": {
        "for another API": lambda forger: forger.signed(claims={"aud": "https://evil.example"}),
        "for no API": lambda forger: forger.signed(claims={"aud": None}),
        "of the type of an ID token": lambda forger: forger.signed({"typ": "JWT"}),
        "of one sign-in": lambda forger: forger.signed(claims={"nonce": "n-0S6_WzA2Mj"}),
        "of a machine": lambda forger: forger.signed(claims={"sub": forger.claims["client_id"]}),
        "bound to a key": lambda forger: forger.signed(claims={"cnf": {"jkt": "0ZcOCORZNYy"}}),
        "of someone impersonated": lambda forger: forger.signed(claims={"act": {"sub": "x"}}),
    },
    "supabase": {
        "for another audience": lambda forger: forger.signed(claims={"aud": "anon"}),
        "of the public API key's role": lambda forger: forger.signed(claims={"role": "anon"}),
        "of the secret API key's role": lambda forger: forger.signed(
            claims={"role": "service_role"}
        ),
        "of nobody in particular": lambda forger: forger.signed(claims={"is_anonymous": True}),
        "of another's application": lambda forger: forger.signed(claims={"client_id": "x"}),
        "of no session": lambda forger: forger.signed(claims={"session_id": None}),
        "of someone impersonated": lambda forger: forger.signed(claims={"act": {"sub": "x"}}),
    },
}
"""What only this provider's tokens can get wrong."""
