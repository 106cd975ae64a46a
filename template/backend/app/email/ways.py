"""The ways on which mails leave, by the scheme of EMAIL_URL."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import SplitResult, urlsplit

from app.email import smtp, web
from app.email.message import Message

if TYPE_CHECKING:
    from app.email.settings import Settings

Way: TypeAlias = Callable[[SplitResult, str, Message], Awaitable[None]]

WAYS: Mapping[str, Way] = {
    "smtp": smtp.send,
    "smtps": smtp.send,
    "resend": web.send_by_resend,
    "postmark": web.send_by_postmark,
}


async def send(settings: "Settings", message: Message) -> None:
    """Hand a mail over.

    Raises:
        NotSent: nobody took it.
    """
    url = urlsplit(settings.email_url.get_secret_value())
    await WAYS[url.scheme](url, settings.email_from, message)
