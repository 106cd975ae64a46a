"""What stands before the application, and in which order."""

from collections.abc import Collection

from fastapi import FastAPI
from starlette.middleware import Middleware

from app.metrics import RequestMetrics
from app.repeat import Repeat
from app.request_log import RequestLog
from app.security.headers import SecurityHeaders
from app.security.hosts import CrossOrigin, TrustedHosts
from app.security.limits import BodyLimit
from app.security.problems import ErrorBoundary
from app.security.rates import AddressLimit, RateLimit, open_storage
from app.settings import Settings

INTERNAL = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by machines, by address and often: no host check and no rate limit."""


def install(app: FastAPI, settings: Settings, *, uploads: Collection[str] = ()) -> RateLimit:
    """Add the middlewares, in this order.

    Args:
        app: The application.
        settings: Hosts, origins and limits are read from it.
        uploads: The paths whose bodies may have `max_upload_bytes`.

    Returns:
        The limit per principal, for `check(key)` once a request is authenticated. It cannot be a
        middleware: only the endpoint's dependencies know the principal.
    """
    storage = open_storage(settings.rate_limit_storage)
    per_address = RateLimit("address", settings.rate_limit_per_address, storage)
    outermost_first = [
        # Outside of everything, so that each answer has a request id, a line and a measurement,
        # whoever gave it.
        Middleware(RequestLog, quiet=INTERNAL),
        Middleware(RequestMetrics),
        # Outside of everything that may answer by itself.
        Middleware(SecurityHeaders),
        # Before anything is done for a request that is not for us.
        Middleware(TrustedHosts, settings.allowed_hosts, exempt=INTERNAL),
        # Outside of the rest, or a page in a browser could not read its 500, 429 and 413.
        *([Middleware(CrossOrigin, settings.allowed_origins)] if settings.allowed_origins else []),
        # Inside of what adds headers, outside of what may fail.
        Middleware(ErrorBoundary),
        # Before a body is read and a token verified: both cost more than a counter.
        Middleware(AddressLimit, per_address, exempt=INTERNAL),
        # Outside of what may be asked again, and next to what it watches the reading of.
        Middleware(
            BodyLimit,
            settings.max_body_bytes,
            larger=dict.fromkeys(uploads, settings.max_upload_bytes),
        ),
        Middleware(Repeat),
    ]
    app.user_middleware[:0] = outermost_first
    return RateLimit("principal", settings.rate_limit_per_principal, storage)
