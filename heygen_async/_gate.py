"""
Lets so many in at once; the others wait in line, first come first served.

A semaphore does the same at several times the cost, on a way that every request takes.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """A number of places on one event loop."""

    __slots__ = ("_free", "_line")

    def __init__(self, places: int) -> None:
        self._free = places
        self._line: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Take a place; cancelling gives it back, also when it came in the same moment."""
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Hand the place to the next in line."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
