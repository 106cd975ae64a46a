"""Mails by SMTP, always encrypted unless the server is on this machine."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import SplitResult, unquote

from app.auth.addresses import is_loopback
from app.email.message import Message, NotSent

_SECONDS = 20.0
_PORTS = {"smtp": 587, "smtps": 465}


async def send(url: SplitResult, sender: str, message: Message) -> None:
    """Hand a mail to an SMTP server.

    Raises:
        NotSent: the server cannot be reached, or refused.
    """
    await asyncio.to_thread(_send, url, sender, message)


def _send(url: SplitResult, sender: str, message: Message) -> None:
    try:
        with _connect(url) as server:
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(_mail(sender, message))
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(f"{url.hostname}: {error}") from error


def _connect(url: SplitResult) -> smtplib.SMTP:
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=_SECONDS)
    if not is_loopback(f"smtp://{host}"):
        server.starttls(context=context)
    return server


def _mail(sender: str, message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = message.to
    mail["Subject"] = message.subject
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip("> ") or None)
    # Out-of-office replies to a program help nobody: RFC 3834.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail
