"""How often a principal or an address may ask."""

import math
import time
from collections.abc import Collection
from ipaddress import IPv6Address, ip_address

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string
from starlette.types import ASGIApp, Receive, Scope, Send

from app.security.problems import Problem

STORAGE_TIMEOUT_SECONDS = 0.25
STORAGE_REST_SECONDS = 5.0

log = structlog.get_logger(__name__)


class RateLimit:
    """So many hits per window and key.

    A fixed window costs one round trip to a shared storage; a client that spans two windows may
    reach twice the rate for a moment.

    When the storage is down everything is let through: an outage of the counter must not become
    one of the product. It is asked again after a few seconds, and the log says so each time.

    Args:
        name: What is limited, as clients see it in the RateLimit header.
        limit: In the notation of the `limits` library, such as `6000/minute`.
        storage: Where the hits are counted.
    """

    def __init__(self, name: str, limit: str, storage: Storage) -> None:
        self.name = name
        self.item: RateLimitItem = parse(limit)
        self.limiter = FixedWindowRateLimiter(storage)
        self._resting_until = 0.0

    async def check(self, key: str) -> None:
        """Count one hit.

        Raises:
            Problem: 429, when the key has used up its window.
        """
        if self._resting_until and time.monotonic() < self._resting_until:
            return
        try:
            if await self.limiter.hit(self.item, self.name, key):
                return
            window = await self.limiter.get_window_stats(self.item, self.name, key)
        except StorageError as error:
            self._resting_until = time.monotonic() + STORAGE_REST_SECONDS
            log.warning(
                "rate limits are off: their storage does not answer",
                error=type(error.storage_error).__name__,
                again_in_seconds=STORAGE_REST_SECONDS,
            )
            return
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        raise Problem(
            429,
            "Too many requests",
            f"The limit is {self.item.amount} requests in {self.item.get_expiry()} seconds. "
            f"Try again in {seconds} seconds.",
            type="rate-limited",
            headers={
                "Retry-After": str(seconds),
                "RateLimit": f'"{self.name}";r=0;t={seconds}',
                "RateLimit-Policy": (
                    f'"{self.name}";q={self.item.amount};w={self.item.get_expiry()}'
                ),
            },
        )


class AddressLimit:
    """Limit requests and WebSocket handshakes per client address, before anyone is authenticated.

    The address is the connection's. Behind a proxy the server must be told whose `X-Forwarded-For`
    to believe (uvicorn's FORWARDED_ALLOW_IPS), or all clients share the proxy's limit.
    """

    def __init__(self, app: ASGIApp, limit: RateLimit, exempt: Collection[str] = ()) -> None:
        self.app = app
        self.limit = limit
        self.exempt = frozenset(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "lifespan" and scope["path"] not in self.exempt:
            client = scope.get("client")
            try:
                await self.limit.check(_network(client[0]) if client else "unknown")
            except Problem as problem:
                await problem.answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def open_storage(uri: str) -> Storage:
    """The storage of a `limits` URI, such as `async+memory://` or `async+redis://host:6379/1`."""
    if uri.startswith("async+memory:"):
        return ProcessStorage()
    # Without its own timeouts a storage that hangs would hang every request.
    storage = storage_from_string(
        uri,
        implementation="redispy",
        wrap_exceptions=True,
        socket_timeout=STORAGE_TIMEOUT_SECONDS,
        socket_connect_timeout=STORAGE_TIMEOUT_SECONDS,
    )
    if not isinstance(storage, Storage):
        raise TypeError(f"RATE_LIMIT_STORAGE must begin with async+, not {uri.partition(':')[0]}")
    return storage


class ProcessStorage(MemoryStorage):
    """Counters of this process.

    The library looks at every key on every hit to find expired ones, which makes many addresses
    expensive; here that happens once in a while.
    """

    STORAGE_SCHEME: list[str] = []  # noqa: RUF012  # the library's own declaration, left out of its registry
    SWEEP_SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._next_sweep = 0.0

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count a hit; nothing here awaits, so no lock is needed."""
        now = time.time()
        if now >= self._next_sweep:
            self._next_sweep = now + self.SWEEP_SECONDS
            for old in [old for old, expires in self.expirations.items() if expires <= now]:
                del self.expirations[old], self.storage[old]
        if self.expirations.get(key, 0.0) <= now:
            self.expirations[key] = now + expiry
            self.storage[key] = 0
        self.storage[key] += amount
        return self.storage[key]


def _network(address: str) -> str:
    """The address, or its /64: one IPv6 client owns that many addresses."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return parsed.exploded[:19]
