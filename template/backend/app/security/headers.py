"""The security headers of every answer.

Values follow the OWASP Secure Headers Project. An answer may set its own value of any of them
(the documentation page does, for its scripts); what it does not set, it gets from here.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TWO_YEARS = 2 * 365 * 24 * 3600

HEADERS = {
    # An API answer is data: should a browser render one, it may load, run and submit nothing.
    "content-security-policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "strict-transport-security": f"max-age={TWO_YEARS}; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": (
        "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), "
        "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    # Answers belong to one caller. A shared cache must not keep them, a browser's disk neither.
    "cache-control": "no-store",
}

_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})


class SecurityHeaders:
    """Complete the headers of every HTTP response, a refused WebSocket handshake's too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                headers += [header for header in _RAW if header[0] not in present]
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, with_headers)
