"""The provider's published signing keys, kept at hand.

One cache per process. Its rules, in the order in which they matter:

- A key that the provider withdrew stops working within `TTL`, unless the provider is down.
- Verification goes on while the provider is down, with the keys known so far, for `MAX_STALE`.
- A new key works as soon as a token names it: an unknown id makes the cache look again.
- Forged ids do not: whatever they are and however many, the set is read once per `COOLDOWN`.
- At most one request is under way, and whoever needs its answer waits for that one.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec
import structlog

from app.auth.errors import KeysUnavailable
from app.auth.publishing import FindKeys, Unusable
from app.auth.signing_keys import SigningKey, read_jwk

# Seconds, all of them.
TTL: Final = 300.0
REFRESH_AHEAD: Final = 60.0  # under traffic the set is renewed before anyone has to wait for it
MAX_STALE: Final = 24 * 3600.0
COOLDOWN: Final = 10.0
RETRY_AFTER_FAILURE: Final = 2.0
FETCH_TIMEOUT: Final = 3.0

MAX_DOCUMENT_BYTES: Final = 64 * 1024
MAX_KEYS: Final = 32

_log = structlog.get_logger(__name__)


class UnknownKey(Exception):  # noqa: N818 - an answer about the id, not a failure
    """The provider was asked lately, and has no signing key of that id."""


class JwksCache:
    """Signing keys by id, read from the provider's JWK set (RFC 7517, section 5) when needed.

    Args:
        find_keys: says where the set is. It is asked each time, so that a set may move.
        http: the client to read it with; its owner closes it, after `aclose()` here.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        find_keys: FindKeys,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_keys = find_keys
        self._http = http
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._loaded_at = float("-inf")
        self._next_attempt_at = float("-inf")
        self._failure: str | None = None
        self._under_way: asyncio.Task[None] | None = None

    async def get(self, kid: str) -> SigningKey:
        """The key of that id. The same object as long as the provider publishes the same key.

        Raises:
            UnknownKey: the provider publishes no such key.
            KeysUnavailable: it could not be asked, and the keys known so far do not settle it.
        """
        key = self._keys.get(kid)
        now = self._clock()
        age = now - self._loaded_at
        if key is not None and age < TTL - REFRESH_AHEAD:
            return key

        refresh = self._refresh_unless_too_soon()
        # Known to be down: the next attempt goes on in the background and holds nobody up.
        is_down = self._failure is not None and now - self._next_attempt_at < TTL
        if key is not None and (age < TTL or (is_down and age < MAX_STALE)):
            return key

        if refresh is not None:
            # Shielded: a caller who hangs up must not cancel what the others are waiting for.
            await asyncio.shield(refresh)
            key = self._keys.get(kid)
        if key is not None and self._clock() - self._loaded_at < MAX_STALE:
            return key
        if self._failure is not None:
            raise KeysUnavailable(self._failure)
        raise UnknownKey(kid)

    async def aclose(self) -> None:
        """Stop a refresh that is under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._under_way

    def _refresh_unless_too_soon(self) -> asyncio.Task[None] | None:
        if self._under_way is None and self._clock() >= self._next_attempt_at:
            self._under_way = asyncio.create_task(self._refresh(), name="jwks-refresh")
        return self._under_way

    async def _refresh(self) -> None:
        started_at = self._clock()
        pause = RETRY_AFTER_FAILURE
        try:
            # The client's own timeouts count per read: a server that drips would never meet them.
            async with asyncio.timeout(FETCH_TIMEOUT):
                url = await self._find_keys(self._read)
                fetched = _read_set(url, await self._read(url))
        except (TimeoutError, Unusable) as error:
            self._failure = str(error) or f"{type(error).__name__} after {FETCH_TIMEOUT:g} s"
            _log.warning("jwks.refresh_failed", reason=self._failure)
        else:
            self._keys = {kid: self._known(key) for kid, key in fetched.items()}
            self._loaded_at = started_at
            self._failure = None
            pause = COOLDOWN
        finally:
            self._next_attempt_at = self._clock() + pause
            self._under_way = None

    def _known(self, fetched: SigningKey) -> SigningKey:
        """The object handed out so far, if it is the same key: verdicts hang on its identity."""
        known = self._keys.get(fetched.kid)
        return known if known is not None and known.is_same(fetched) else fetched

    async def _read(self, url: str) -> bytes:
        try:
            return await self._get(url)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # The third: a host that IDNA has no name for.
            raise Unusable(f"{url}: {str(error) or type(error).__name__}") from error

    async def _get(self, url: str) -> bytes:
        async with self._http.stream(
            "GET",
            url,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            timeout=FETCH_TIMEOUT,
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise Unusable(f"{url} answered with status {response.status_code}")
            document = bytearray()
            # Raw: a compressed answer, which was not asked for, must not unfold in memory.
            async for chunk in response.aiter_raw():
                document += chunk
                if len(document) > MAX_DOCUMENT_BYTES:
                    raise Unusable(f"{url} answered with more than {MAX_DOCUMENT_BYTES} bytes")
            return bytes(document)


class _KeySet(msgspec.Struct):
    keys: list[Any]


def _read_set(url: str, document: bytes) -> dict[str, SigningKey]:
    try:
        members = msgspec.json.decode(document, type=_KeySet).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"{url} did not answer with a JWK set: {error}") from error
    if len(members) > MAX_KEYS:
        raise Unusable(f"{url} answered with more than {MAX_KEYS} keys")
    keys = [read_jwk(member) for member in members]
    # An id used twice names neither key for certain: the first one keeps it.
    usable = {key.kid: key for key in reversed(keys) if key is not None}
    if not usable:
        raise Unusable(f"{url} answered with no signing key of an accepted type")
    return usable
