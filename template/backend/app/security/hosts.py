"""Which Host headers are answered, and which origins may call from a browser."""

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.security.problems import Problem

# RFC 3986's host and port, as far as names and addresses go.
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")


class TrustedHosts:
    """Refuse requests for other hosts, so that no link or redirect is built from a forged name.

    Args:
        app: The application.
        allowed: Names without ports, `*.example.com` for every subdomain, or `*`.
        exempt: Paths that are asked by address, such as probes of an orchestrator.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str], exempt: Collection[str] = ()) -> None:
        self.app = app
        self.exempt = frozenset(exempt)
        names = {_bracketed(name.lower()) for name in allowed}
        self.any = "*" in names
        self.suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        self.names = frozenset(names)
        self._is_allowed = lru_cache(maxsize=256)(self._decide)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan" or self.any or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self._is_allowed(hosts[0]):
            await self.app(scope, receive, send)
            return
        problem = Problem(
            400,
            "Unknown host",
            "This service does not answer under the name in the Host header.",
            type="unknown-host",
        )
        await problem.answer(scope, receive, send)

    def _decide(self, raw: bytes) -> bool:
        match = _HOST.fullmatch(raw.lower())
        if match is None:
            return False
        host = match[1].decode("ascii")
        return host in self.names or (bool(self.suffixes) and host.endswith(self.suffixes))


class CrossOrigin(CORSMiddleware):
    """Let the named origins call from a browser, with a token and without cookies."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
            allow_credentials=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            scope.setdefault("state", {})
            headers = Headers(scope=scope)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await self._preflight(headers, scope)(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _preflight(self, headers: Headers, scope: Scope) -> Response:
        if "origin" not in headers:
            return Problem(400, "Bad request", "A preflight needs an Origin.").response(scope)
        response = self.preflight_response(headers)
        if response.status_code < 400:  # noqa: PLR2004
            return response
        refusal = Problem(
            400,
            "Cross-origin request refused",
            "The origin, method or a header is not among those allowed to browsers.",
            type="cross-origin",
        ).response(scope)
        refusal.headers["Vary"] = response.headers["Vary"]
        return refusal


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
