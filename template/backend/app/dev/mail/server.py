"""Takes mails by SMTP on loopback, keeps them in a folder, and shows them on a page.

Nothing that development sends reaches anybody. `GET /messages` is the same as the page, as JSON.
"""

import argparse
import asyncio
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from app.dev.processes import LOOPBACK

MOST_SHOWN = 100

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid; margin-top: 2rem; padding-top: 1rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Mails of development</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<h1>Mails of development</h1>
<p>The latest first. None of them was sent to anybody.</p>
{articles}
</body>
</html>
"""
_ARTICLE = """<article>
<h2>{subject}</h2>
<p>From {sender}<br>To {to}<br><time>{received_at}</time></p>
<pre>{text}</pre>
</article>
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Mails:
    """The mails in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def handle_DATA(  # noqa: N802  # the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"
        partial = self._folder / f".{name}"
        partial.write_bytes(envelope.original_content or b"")
        partial.rename(self._folder / f"{name}.eml")
        return "250 kept"

    def latest(self) -> list[dict[str, Any]]:
        """What was kept, the latest first."""
        files = sorted(self._folder.glob("*.eml"), reverse=True)[:MOST_SHOWN]
        return [_shown(file) for file in files]


def _shown(file: Path) -> dict[str, Any]:
    mail = message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    return {
        "id": file.stem,
        "sender": str(mail["From"]),
        "to": str(mail["To"]),
        "subject": str(mail["Subject"]),
        "text": body.get_content() if body else "",
        "received_at": datetime.fromtimestamp(file.stat().st_mtime, UTC).isoformat(),
    }


def create_app(mails: Mails) -> Starlette:
    """The page, and the same as JSON."""

    async def page(_: Request) -> Response:
        articles = "".join(
            _ARTICLE.format(**{name: escape(value) for name, value in mail.items()})
            for mail in mails.latest()
        )
        return HTMLResponse(_PAGE.format(articles=articles), headers=_HEADERS)

    async def messages(_: Request) -> Response:
        return JSONResponse({"items": mails.latest()}, headers=_HEADERS)

    async def style(_: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/messages", messages, methods=["GET"]),
            Route("/style.css", style, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])],
    )


async def serve(port: int, smtp_port: int, folder: Path) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    mails = Mails(folder)
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: SMTP(mails, enable_SMTPUTF8=True, hostname="localhost"), LOOPBACK, smtp_port
    )
    config = uvicorn.Config(
        create_app(mails),
        host=LOOPBACK,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
    )
    async with smtp:
        await uvicorn.Server(config).serve()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m app.dev.mail.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of the page")
    parser.add_argument("--smtp-port", type=int, required=True, help="where mails come in")
    parser.add_argument("--folder", type=Path, required=True, help="where they are kept")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.smtp_port, options.folder))


if __name__ == "__main__":
    main()
