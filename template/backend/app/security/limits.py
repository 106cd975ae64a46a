"""How large a request body may be."""

import asyncio
from collections.abc import Iterable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.security.problems import Problem

DRAIN_SECONDS = 30.0
DRAIN_BYTES = 512 * 1024 * 1024


class BodyLimit:
    """Refuse bodies over the limit with a 413, whether they announce their size or not.

    A client that is still sending often reads nothing before it has sent everything, and a
    connection closed with unread data is reset, which loses the answer. So the answer goes out at
    once and the rest of the body is thrown away as it comes, within bounds; then the connection is
    closed.

    Args:
        app: The application.
        default_bytes: The limit.
        larger: Other limits, by exact path.
    """

    def __init__(
        self,
        app: ASGIApp,
        default_bytes: int,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self.app = app
        self.default = default_bytes
        self.larger = dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        lengths, chunked, waits = _framing(scope["headers"])
        if not lengths and not chunked and scope["http_version"].startswith("1"):
            await self.app(scope, receive, send)  # HTTP/1 frames no body without either
            return
        limit = self.larger.get(scope["path"], self.default)
        announced = _content_length(lengths, chunked=chunked)
        if announced is None:
            problem = Problem(
                400,
                "Bad request",
                "The Content-Length header is not one number, or contradicts Transfer-Encoding.",
                type="bad-content-length",
                headers={"Connection": "close"},
            )
            # Where the body ends is unknown: nothing after the headers can be trusted.
            await problem.answer(scope, receive, send)
        elif announced > limit:
            await self._refuse(scope, receive, send, limit, drain=not waits)
        else:
            await self._count(scope, receive, send, limit)

    async def _count(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        received = 0
        exceeded = started = False

        async def counting() -> Message:
            nonlocal received, exceeded
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    exceeded = True
            if exceeded:
                # This kind passes through the body parsers unchanged; whatever the app makes of
                # it is not sent.
                raise HTTPException(413)
            return message

        async def unless_exceeded(message: Message) -> None:
            nonlocal started
            if exceeded and not started:
                return
            started = True
            await send(message)

        try:
            await self.app(scope, counting, unless_exceeded)
        except Exception:
            if not exceeded or started:
                raise
        if exceeded and not started:
            await self._refuse(scope, receive, send, limit, drain=True)

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, limit: int, *, drain: bool
    ) -> None:
        response = Problem(
            413,
            "Content too large",
            f"The request body is larger than the {limit} bytes that this address accepts.",
            type="content-too-large",
            headers={"Connection": "close"},
            limit_bytes=limit,
        ).response(scope)
        await send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.raw_headers,
            }
        )
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        # A client that waits for `100 Continue` has its answer and sends nothing.
        if drain:
            await self._drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drain(self, receive: Receive) -> None:
        drained = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while drained < DRAIN_BYTES:
                    message = await receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return
                    drained += len(message.get("body", b""))
        except TimeoutError:
            return


def _framing(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[bytes], bool, bool]:
    """The Content-Length values, whether the body is chunked, whether the client waits."""
    lengths: list[bytes] = []
    chunked = waits = False
    for name, value in headers:
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"expect":
            waits = value.lower() == b"100-continue"
    return lengths, chunked, waits


def _content_length(lengths: list[bytes], *, chunked: bool) -> int | None:
    """The announced size, 0 for an unannounced one, None for a contradiction (RFC 9112, 6.3)."""
    if not lengths:
        return 0
    if chunked or len(lengths) > 1 or not lengths[0].isdigit():
        return None
    return int(lengths[0][:20])
