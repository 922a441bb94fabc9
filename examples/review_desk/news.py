"""Telling many readers that something changed, without keeping anything for any of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

HEARTBEAT = 15.0  # seconds; a browser that is gone is noticed when it is next written to


class News:
    """
    A count of changes that readers wait on.

    There are no queues: a reader that was busy finds the newest count and then tells the newest state, so a slow
    browser costs as much memory as a quick one, and misses steps but never the last one.

    Attributes:
        count: How many changes there have been.
        is_over: Whether the desk is closing; readers end.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_over = False
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Count one change and wake all who wait."""
        self.count += 1
        told, self._next = self._next, asyncio.Event()
        told.set()

    def end(self) -> None:
        """Let all readers end."""
        self.is_over = True
        self.tell()

    async def changes(self) -> AsyncIterator[int | None]:
        """Yield the count now and after each change, None for each `HEARTBEAT` seconds without one."""
        seen: int | None = None
        while not self.is_over:
            if seen != self.count:
                seen = self.count
                yield seen
            elif not await self._comes():
                yield None

    async def _comes(self) -> bool:
        try:
            async with asyncio.timeout(HEARTBEAT):
                return await self._next.wait()
        except TimeoutError:
            return False
