"""
What `session.watch()` returns: an iterator of states over one watcher of the hub.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from ..models import SessionState
    from .scheduler import PollScheduler
    from .watcher import Watcher


class Watch:
    """
    An asynchronous iterator of a session's states.

    Nothing is sent before the first state is awaited. Leaving the loop drops the watch at once; keep it in a
    variable and use `async with` or `aclose()` to say when. Cancelling a step drops the polls until the next step and
    loses no state. An object and not a generator, so that no cancel scope is ever left open inside it.
    """

    __slots__ = ("__weakref__", "_loop", "_scheduler", "_source", "_watcher")

    def __init__(self, scheduler: PollScheduler, watcher: Watcher, source: MessageCursor) -> None:
        self._scheduler = scheduler
        self._watcher = watcher
        self._source = source
        self._loop: asyncio.AbstractEventLoop | None = None  # where it is followed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionState:
        """
        Return the next state.

        Raises:
            StopAsyncIteration: The watch ended with the state before.
            WatchTimeout: The deadline passed; the session goes on.
            StateUnknown: The service could not be reached for a whole failure budget.
            SessionStalled: Nothing moved for the whole `stall_timeout`.
            APIError: The credential is refused (401, 402, 403), or the session does not exist (404).
            ClientStateError: The client is closed, or another task awaits this watch.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop and not self._watcher.is_done:
            self._scheduler.add(self._watcher)
            self._loop = loop
        try:
            state = await self._watcher.next_state()
        except asyncio.CancelledError:
            # Whoever keeps the error keeps this watch alive; its polls must not go on for so long. The next step,
            # should there be one, takes them up again.
            self._scheduler.remove(self._watcher)
            self._loop = None
            raise
        self._source.cursor = max(self._source.cursor, self._watcher.cursor)
        if state is None:
            raise StopAsyncIteration
        return state

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the watch; polls that serve nobody else stop. Twice is the same as once."""
        self._scheduler.remove(self._watcher)
        self._watcher.is_done = True

    def __del__(self) -> None:
        # A loop left by `break` never closes its iterator: letting go of it is all that happens.
        self._scheduler.remove(self._watcher)


class MessageCursor:
    """
    Where a session's handle stands in the conversation.

    Attributes:
        cursor: The number of the last message any of its watches has delivered.
    """

    __slots__ = ("__weakref__", "cursor")

    def __init__(self, cursor: int = 0) -> None:
        self.cursor: int = cursor
