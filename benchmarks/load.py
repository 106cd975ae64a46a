"""A client that costs little itself: open connections, each asking as soon as it is answered."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Timing:
    """What one round showed. The best of several is what the machine can do undisturbed."""

    cpu_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, latencies: list[float], wall: float, cpu: float) -> "Timing":
        """From seconds: of each request, of the round, of the server's CPU."""
        ordered = sorted(latencies)
        return cls(
            cpu * 1000 / len(ordered),
            len(ordered) / wall,
            ordered[len(ordered) // 2] * 1000,
            ordered[len(ordered) * 99 // 100] * 1000,
        )

    def better(self, other: "Timing | None") -> "Timing":
        """The better figure of each kind."""
        if other is None:
            return self
        return Timing(
            min(self.cpu_ms, other.cpu_ms),
            max(self.per_second, other.per_second),
            min(self.p50_ms, other.p50_ms),
            min(self.p99_ms, other.p99_ms),
        )


Build = Callable[[int], bytes]
"""Makes the bytes of the n-th request."""


def request(url: str, method: str, path: str, token: str = "", body: str = "") -> bytes:
    """An HTTP/1.1 request, ready to be sent."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", "Accept: */*"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join([*lines, "", body]).encode()


def drive(
    url: str, build: Build, cpu: Callable[[], float], *, total: int, concurrency: int
) -> Timing:
    """Send `total` requests over `concurrency` connections.

    Args:
        url: The server.
        build: Makes each request.
        cpu: Reads the server's CPU time in seconds.
        total: How many requests.
        concurrency: How many at a time.

    Raises:
        RuntimeError: an answer was no success; shows it.
    """
    return asyncio.run(_drive(url, build, cpu, total, concurrency))


async def _drive(
    url: str, build: Build, cpu: Callable[[], float], total: int, concurrency: int
) -> Timing:
    address = urlsplit(url)
    numbers = count()
    latencies: list[float] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            while (number := next(numbers)) < total:
                message = build(number)
                began = time.perf_counter()
                writer.write(message)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                latencies.append(time.perf_counter() - began)
                if not head.startswith(b"HTTP/1.1 2"):
                    raise RuntimeError((head + body).decode(errors="replace"))
        finally:
            writer.close()

    cpu_before, began = cpu(), time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(concurrency)))
    return Timing.of(latencies, time.perf_counter() - began, cpu() - cpu_before)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError(f"an answer without Content-Length: {head!r}")
