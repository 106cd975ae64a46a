"""What the realtime tests share: subscribers that are read, and publishers of numbers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from app.realtime.events import START, Channel, Position
from app.realtime.hub import Subscriber

SOON = 20
"""Seconds after which a test gives up waiting for what must happen."""


class Reader:
    """Takes what one subscriber would send, message by message."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._messages = subscriber.messages()
        self.last: Position = START
        self.resumed = False
        self.first: list[dict[str, Any]] = []

    @classmethod
    async def of(cls, subscriber: Subscriber) -> "Reader":
        reader = cls(subscriber)
        async with asyncio.timeout(SOON):
            reader.last, reader.resumed, texts = await subscriber.start()
        reader.first = [json.loads(text) for text in texts]
        for message in reader.first:
            reader.last = Position.parse(message["id"])
        return reader

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(SOON):
            message: dict[str, Any] = json.loads(await anext(self._messages))
        self.last = Position.parse(message["id"])
        return message

    async def numbers(self, count: int) -> list[int]:
        return [(await self.next())["data"]["n"] for _ in range(count)]


async def publish(channel: Channel, tenant: UUID, numbers: range) -> None:
    for number in numbers:
        await channel.publish(tenant, "counted", {"n": number})


def numbers_of(messages: list[dict[str, Any]]) -> list[int]:
    return [message["data"]["n"] for message in messages]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)
