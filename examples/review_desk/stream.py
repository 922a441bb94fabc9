"""Server-sent events: the whole state first, and again whenever something changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, suppress
from functools import partial

from msgspec import Struct
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from . import views
from .board import Board
from .room import Room

PATIENCE = 20.0  # seconds for a browser to take what it is told

_STILL_HERE = b": still here\n\n"

Events = Callable[[ExitStack], AsyncGenerator[bytes]]


class EventStream(StreamingResponse):
    """
    A stream of events to one browser, which is let go when it takes nothing for `PATIENCE` seconds.

    Args:
        events: Yields them; the rooms it looks at are in the stack it is given, and left when the stream ends.
    """

    def __init__(self, events: Events) -> None:
        self._looks = ExitStack()
        self._events = events(self._looks)
        # The second header asks proxies such as nginx not to collect events before they pass them on.
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(self._events, headers=headers, media_type="text/event-stream")

    async def stream_response(self, send: Send) -> None:
        """Send every event; leave nothing behind, however it ends."""

        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(PATIENCE):
                await send(message)

        with self._looks, suppress(TimeoutError):
            async with aclosing(self._events):
                await super().stream_response(send_soon)


def of_session(room: Room) -> EventStream:
    """Tell one session's page."""
    return EventStream(partial(_session_events, room))


def of_list(board: Board, words: str, shown: str) -> EventStream:
    """Tell the list of sessions, narrowed; those that are still at work are followed for it."""
    return EventStream(partial(_list_events, board, partial(views.is_wanted, words=words, shown=shown)))


async def _session_events(room: Room, looks: ExitStack) -> AsyncGenerator[bytes]:
    looks.enter_context(room.looked_at())
    async for count in room.news.changes():
        yield _STILL_HERE if count is None else _event(count, views.page(room))


async def _list_events(
    board: Board, is_wanted: Callable[[Room], bool], looks: ExitStack
) -> AsyncGenerator[bytes]:
    told = -1
    listed: dict[str, None] | None = None
    followed: set[str] = set()
    async for count in board.news.changes():
        if count is None:
            yield _STILL_HERE
            continue
        # Also those that are not wanted yet: they may be when they move.
        for room in board.listed(lambda room: room.record.place == "list" and not room.has_ended):
            if room.record.id not in followed:
                followed.add(room.record.id)
                looks.enter_context(room.looked_at())
        rooms = board.listed(is_wanted)
        before, listed = listed, dict.fromkeys(room.record.id for room in rooms)
        fresh = [
            views.row(room)
            for room in rooms
            if before is None or room.record.id not in before or board.has_changed(room, told)
        ]
        told = count
        if fresh or before != listed:
            yield _event(count, views.Rows(ids=None if before == listed else list(listed), rows=fresh))


def _event(count: int, value: Struct) -> bytes:
    return b"id: %d\nretry: 1000\ndata: %b\n\n" % (count, views.encode(value))
