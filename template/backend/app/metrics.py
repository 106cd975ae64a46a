"""Prometheus metrics: of every request, and of whatever the wiring names."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    Gauge,
    Histogram,
    generate_latest,
)
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.request_log import route_template
from app.security.problems import Problem

READING_SECONDS = 2.0

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from the request's headers to the end of the answer.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_IN_FLIGHT = Gauge("http_requests_in_flight", "Requests that are being answered now.")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Reading:
    """A gauge whose value is read when Prometheus asks, such as the number of waiting jobs."""

    description: str
    read: Callable[[], Awaitable[float]]


class RequestMetrics:
    """Measure every HTTP request by method, route template and class of status."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.in_flight = 0
        _IN_FLIGHT.set_function(lambda: self.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def noting_the_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        self.in_flight += 1
        try:
            await self.app(scope, receive, noting_the_status)
        finally:
            self.in_flight -= 1
            # Labels must stay few: no raw paths, no methods that someone made up.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            series = _series(method, route_template(scope) or "unmatched", status // 100)
            series.observe(time.perf_counter() - began)


def router(token: SecretStr | None, readings: Mapping[str, Reading] | None = None) -> APIRouter:
    """GET /metrics.

    Args:
        token: The bearer token to ask for. None leaves the endpoint open; the settings allow that
            on a developer's machine only.
        readings: Further gauges, by name.
    """
    metrics = APIRouter(include_in_schema=False)
    expected = token and f"Bearer {token.get_secret_value()}".encode()
    gauges = [
        (name, reading.read, _gauge(name, reading.description))
        for name, reading in (readings or {}).items()
    ]

    @metrics.get("/metrics")
    async def read(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if expected and not secrets.compare_digest(given, expected):
            raise Problem(
                401,
                "Unauthorized",
                "Send the METRICS_TOKEN of this service as bearer token.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        await asyncio.gather(*(_read(*gauge) for gauge in gauges))
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return metrics


@cache
def _series(method: str, route: str, status_class: int) -> Histogram:
    return _DURATION.labels(method, route, f"{status_class}xx")


_gauges: dict[str, Gauge] = {}


def _gauge(name: str, description: str) -> Gauge:
    """The process has one registry, and a name may be in it once; apps may be built repeatedly."""
    if name not in _gauges:
        _gauges[name] = Gauge(name, description)
    return _gauges[name]


async def _read(name: str, read: Callable[[], Awaitable[float]], gauge: Gauge) -> None:
    try:
        async with asyncio.timeout(READING_SECONDS):
            gauge.set(await read())
    except Exception as error:  # noqa: BLE001  # one part that is down must not hide the others
        log.warning("a metric could not be read", metric=name, error=type(error).__name__)
        gauge.set(float("nan"))
