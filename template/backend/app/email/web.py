"""Mails through the HTTP API of a provider."""

from typing import Any
from urllib.parse import SplitResult, unquote

from app.auth.addresses import is_loopback
from app.email.message import Message, NotSent

_SECONDS = 20.0


async def send_by_resend(url: SplitResult, sender: str, message: Message) -> None:
    """Send a mail by Resend: https://resend.com/docs/api-reference/emails/send-email.

    Raises:
        NotSent: Resend cannot be reached, or refused.
    """
    body = {
        "from": sender,
        "to": [message.to],
        "subject": message.subject,
        "text": message.text,
    }
    await _post(url, "/emails", {"Authorization": f"Bearer {_secret(url)}"}, body)


async def send_by_postmark(url: SplitResult, sender: str, message: Message) -> None:
    """Send a mail by Postmark: https://postmarkapp.com/developer/api/email-api.

    Raises:
        NotSent: Postmark cannot be reached, or refused.
    """
    body = {
        "From": sender,
        "To": message.to,
        "Subject": message.subject,
        "TextBody": message.text,
    }
    headers = {"X-Postmark-Server-Token": _secret(url), "Accept": "application/json"}
    await _post(url, "/email", headers, body)


def _secret(url: SplitResult) -> str:
    return unquote(url.username or "")


async def _post(url: SplitResult, path: str, headers: dict[str, str], body: Any) -> None:
    # Most workers send no mail this way, and it costs memory.
    import httpx

    scheme = "http" if is_loopback(f"http://{url.hostname}") else "https"
    port = f":{url.port}" if url.port else ""
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            answer = await client.post(
                f"{scheme}://{url.hostname}{port}{path}", headers=headers, json=body
            )
    except httpx.HTTPError as error:
        raise NotSent(f"{url.hostname}: {error or type(error).__name__}") from error
    if not answer.is_success:
        raise NotSent(f"{url.hostname} answered {answer.status_code}: {answer.text[:300]}")
