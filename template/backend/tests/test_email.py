"""How mails leave."""

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from pydantic import SecretStr, ValidationError

from app.dev.mail.catcher import Mailbox
from app.dev.processes import free_port
from app.email import Message, NotSent, send
from app.email.settings import Settings
from tests.mails import mails_to
from tests.running import Platform


def settings(url: str) -> Settings:
    return Settings(
        email_url=SecretStr(url), email_from="App <app@example.com>", app_url="https://a.example"
    )


class _Provider(BaseHTTPRequestHandler):
    """Answers as the HTTP API of a provider of mails does."""

    asked: ClassVar[list[dict[str, Any]]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(
            {"path": self.path, "headers": dict(self.headers), "body": json.loads(body)}
        )
        answer = b'{"id": "1"}'
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def provider_port() -> Iterator[int]:
    _Provider.asked.clear()
    _Provider.status = 200
    server = HTTPServer(("127.0.0.1", 0), _Provider)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mailbox(platform: Platform) -> Mailbox:
    assert isinstance(platform.mailbox, Mailbox)
    return platform.mailbox


async def test_by_smtp(mailbox: Mailbox) -> None:
    address = f"{uuid4().hex}@example.com"
    await send(settings(mailbox.url), Message(address, "Grüße", "Ein Satz.\n\n.\nNoch einer."))
    [mail] = await mails_to(mailbox, address)
    assert (mail["subject"], mail["sender"]) == ("Grüße", "App <app@example.com>")
    assert mail["text"].split() == ["Ein", "Satz.", ".", "Noch", "einer."]


async def test_by_resend(provider_port: int) -> None:
    url = f"resend://re_key@127.0.0.1:{provider_port}"
    await send(settings(url), Message("a@example.com", "Hello", "Text"))
    [asked] = _Provider.asked
    assert (asked["path"], asked["headers"]["Authorization"]) == ("/emails", "Bearer re_key")
    assert asked["body"] == {
        "from": "App <app@example.com>",
        "to": ["a@example.com"],
        "subject": "Hello",
        "text": "Text",
    }


async def test_by_postmark(provider_port: int) -> None:
    url = f"postmark://token@127.0.0.1:{provider_port}"
    await send(settings(url), Message("a@example.com", "Hello", "Text"))
    [asked] = _Provider.asked
    assert (asked["path"], asked["headers"]["X-Postmark-Server-Token"]) == ("/email", "token")
    assert asked["body"] == {
        "From": "App <app@example.com>",
        "To": "a@example.com",
        "Subject": "Hello",
        "TextBody": "Text",
    }


async def test_who_is_refused_is_told(provider_port: int) -> None:
    _Provider.status = 422
    with pytest.raises(NotSent, match="answered 422"):
        await send(
            settings(f"resend://key@127.0.0.1:{provider_port}"), Message("a@example.com", "s", "t")
        )


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "resend", "postmark"])
async def test_a_server_that_is_away(scheme: str) -> None:
    url = f"{scheme}://key@127.0.0.1:{free_port()}"
    with pytest.raises(NotSent, match="127"):
        await send(settings(url), Message("a@example.com", "s", "t"))


async def test_a_subject_of_two_lines_adds_no_header(mailbox: Mailbox) -> None:
    with pytest.raises(ValueError, match="linefeed"):
        await send(settings(mailbox.url), Message("a@example.com", "s\r\nBcc: b@example.com", "t"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("email_url", "http://example.com"),
        ("email_url", "smtp://"),
        ("email_url", "mail.example.com"),
        ("email_from", ""),
        ("email_from", "a@example.com\nBcc: b@example.com"),
        ("app_url", "app.example.com"),
        ("app_url", "https://app.example.com?a=b"),
        ("app_url", "javascript://alert"),
    ],
)
def test_bad_settings(name: str, value: str) -> None:
    good = {
        "email_url": "smtp://mail.example.com",
        "email_from": "a@example.com",
        "app_url": "https://a.example",
    }
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate(good | {name: value})


async def test_the_page_of_development_escapes_what_it_shows(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    import httpx

    address = f"{uuid4().hex}@example.com"
    text = f"<script>{tmp_path.name}</script>"
    await send(settings(mailbox.url), Message(address, "<b>bold</b>", text))
    await mails_to(mailbox, address)
    async with asyncio.timeout(10), httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(mailbox.page)
        foreign = await client.get(mailbox.page, headers={"Host": "evil.example"})
    assert text not in page.text
    assert "&lt;b&gt;bold" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert foreign.status_code == 400
