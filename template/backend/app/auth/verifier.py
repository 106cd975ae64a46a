"""From a bearer token to an identity.

What holds for every provider is here: the token's form, its signature and its times. What a
provider's own claims must say is in that provider's module.

Nothing in a token is believed before its signature is checked, and the header has no say in how:
the key that the provider published decides the algorithm, and no key is taken from a token.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, Protocol

import httpx
import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import CompactSignature

from app.auth.errors import InvalidToken, KeysUnavailable, www_authenticate
from app.auth.identity import Identity
from app.auth.jwks import JwksCache, UnknownKey
from app.auth.publishing import Read
from app.auth.signing_keys import MAX_KEY_ID_LENGTH, SigningKey

__all__ = [
    "InvalidToken",
    "KeysUnavailable",
    "ProviderSettings",
    "TokenVerifier",
    "www_authenticate",
]

MAX_TOKEN_LENGTH: Final = 8 * 1024
MAX_VERDICTS: Final = 20_000
LAST_SECOND: Final = 253_402_300_799  # of the year 9999, where Python's dates end

# How long the database lets each of these be.
_ROOM: Final = {"sub": 255, "org_id": 255, "org_slug": 255, "email": 320, "name": 320}

# A key that comes with the token proves nothing, and this verifier has no extension to honour.
_REFUSED_HEADERS: Final = frozenset({"jwk", "jku", "x5c", "x5u", "crit", "b64"})


class ProviderSettings(Protocol):
    """What a provider's module brings along: its settings and its rules."""

    @property
    def auth_clock_skew(self) -> int:
        """How far the provider's clock may be off, in seconds."""

    async def find_keys(self, read: Read, /) -> str:
        """Where the provider publishes its keys.

        Raises:
            Unusable: what `read` gave does not say.
        """

    def read_identity(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Identity:
        """Check what is the provider's own in a correctly signed token that is valid now.

        Raises:
            InvalidToken: it is not a token for a user of this application.
        """


class _Verdict(msgspec.Struct, frozen=True, gc=False):
    identity: Identity
    key: SigningKey


class TokenVerifier:
    """Verifies tokens, and remembers the verdict on those that it accepted.

    A verdict is kept under the token's SHA-256, so that a memory dump holds no usable token. It
    counts until the token expires, and only while the provider publishes the key behind it.

    Args:
        provider: the settings of the chosen provider.
        http: reads the provider's keys; its owner closes it, after `aclose()` here.
        now: Unix time in seconds.
        monotonic: seconds, for the age of the keys.
    """

    def __init__(
        self,
        provider: ProviderSettings,
        http: httpx.AsyncClient,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._now = now
        self._keys = JwksCache(provider.find_keys, http, clock=monotonic)
        self._verdicts: OrderedDict[bytes, _Verdict] = OrderedDict()

    async def verify(self, token: str) -> Identity:
        """The identity behind a token.

        Raises:
            InvalidToken: the token is refused: answer 401.
            KeysUnavailable: the provider's keys are out of reach: answer 503.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidToken(f"longer than {MAX_TOKEN_LENGTH} characters")
        try:
            encoded = token.encode("ascii")
        except UnicodeEncodeError:
            raise InvalidToken("not ASCII") from None

        digest = sha256(encoded).digest()
        verdict = self._verdicts.get(digest)
        if verdict is not None:
            if await self._still_holds(verdict):
                self._verdicts.move_to_end(digest)
                return verdict.identity
            self._verdicts.pop(digest, None)

        verdict = await self._judge(encoded)
        self._verdicts[digest] = verdict
        if len(self._verdicts) > MAX_VERDICTS:
            self._verdicts.popitem(last=False)
        return verdict.identity

    async def aclose(self) -> None:
        """Stop what runs in the background."""
        await self._keys.aclose()

    async def _still_holds(self, verdict: _Verdict) -> bool:
        if self._now() >= verdict.identity.expires_at:
            return False
        try:
            return await self._keys.get(verdict.key.kid) is verdict.key
        except UnknownKey:
            return False

    async def _judge(self, encoded: bytes) -> _Verdict:
        try:
            signed = jws.extract_compact(encoded)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            # All four: joserfc itself stumbles over a header that is JSON but no object.
            raise InvalidToken(f"not a signed token: {error}") from None
        header: object = signed.protected
        if not isinstance(header, dict):
            raise InvalidToken("the header is not an object")

        key = await self._key_of(header)
        _require_signature(signed, key)
        claims = _read_claims(signed)
        _require_keys_issuer(claims, key)
        self._check_times(claims)
        identity = self._provider.read_identity(header, claims)
        _require_storable(identity)
        return _Verdict(identity, key)

    async def _key_of(self, header: Mapping[str, Any]) -> SigningKey:
        if refused := _REFUSED_HEADERS & header.keys():
            raise InvalidToken(f"refused header parameter: {', '.join(sorted(refused))}")
        kid = header.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KEY_ID_LENGTH:
            raise InvalidToken("the header names no key")
        try:
            return await self._keys.get(kid)
        except UnknownKey:
            raise InvalidToken(f"signed with an unknown key: {kid!r}") from None

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._now()
        skew = self._provider.auth_clock_skew
        expires_at = _seconds(claims, "exp")
        issued_at = _seconds(claims, "iat")
        if now >= expires_at + skew:
            raise InvalidToken(
                f"expired {now - expires_at:.0f} s ago", "The access token has expired."
            )
        if now < issued_at - skew:
            raise InvalidToken(f"issued {issued_at - now:.0f} s in the future")
        if "nbf" in claims and now < (valid_from := _seconds(claims, "nbf")) - skew:
            raise InvalidToken(f"not valid for another {valid_from - now:.0f} s")


def _require_signature(signed: CompactSignature, key: SigningKey) -> None:
    try:
        valid = key.has_signed(signed)
    except JoseError as error:
        raise InvalidToken(f"not signed as key {key.kid!r} signs: {error}") from None
    if not valid:
        raise InvalidToken(f"the signature is not that of key {key.kid!r}")


def _require_keys_issuer(claims: Mapping[str, Any], key: SigningKey) -> None:
    if key.issuer is not None and claims.get("iss") != key.issuer:
        raise InvalidToken(f"key {key.kid!r} signs for {key.issuer!r} only")


def _require_storable(identity: Identity) -> None:
    """Refuse texts that the database would refuse: Postgres holds none with a NUL, for example."""
    claims = identity.claims()
    for name, room in _ROOM.items():
        value = claims.get(name)
        if isinstance(value, str) and ("\0" in value or not 0 < len(value) <= room):
            raise InvalidToken(f"{name} {value!r:.80} is not 1 to {room} characters without NUL")


def _read_claims(signed: CompactSignature) -> dict[str, Any]:
    try:
        return msgspec.json.decode(signed.payload or b"", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidToken(f"the claims are not a JSON object: {error}") from None


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LAST_SECOND:
        raise InvalidToken(f"claim {name} is missing or not a Unix time in whole seconds")
    return value
