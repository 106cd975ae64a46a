"""What the product sent, as the server that keeps mails shows it."""

import asyncio
from typing import Any

import httpx

from app.dev.mail.catcher import Mailbox

SECONDS = 30.0


async def mails_to(mailbox: Mailbox, address: str, count: int = 1) -> list[dict[str, Any]]:
    """The mails to an address, the latest first, once there are as many."""
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(base_url=mailbox.page, trust_env=False) as client,
    ):
        while True:
            found = [
                mail
                for mail in (await client.get("/messages")).json()["items"]
                if mail["to"] == address
            ]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


def token_in(mail: dict[str, Any]) -> str:
    """The token of the link in an invitation."""
    _, _, rest = mail["text"].partition("#token=")
    return str(rest.split()[0])
