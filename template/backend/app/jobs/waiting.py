"""Waiting that ends at once when the process is told to stop."""

import asyncio


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
