"""All sessions of the desk."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from heygen_async import Asset, HeyGen, Session

from .news import News
from .room import Room, Save
from .store import Record

Orientation = Literal["landscape", "portrait"]

LISTED = 200  # sessions in the list, the newest ones


class Board:
    """
    The rooms of a desk.

    Attributes:
        heygen: The client.
        rooms: By session id, the oldest first.
        news: Counts the changes of all rooms together.
    """

    def __init__(self, heygen: HeyGen, save: Save) -> None:
        self.rooms: dict[str, Room] = {}
        self.news = News()
        self.heygen = heygen
        self._save = save
        self._changed_at: dict[str, int] = {}
        self._creating: dict[str, asyncio.Task[Room]] = {}

    @classmethod
    @asynccontextmanager
    async def opened(cls, heygen: HeyGen, records: Iterable[Record], save: Save) -> AsyncGenerator[Board]:
        """Go on with the sessions of the records for the time of the block."""
        board = cls(heygen, save)
        for record in records:
            board._add(heygen.sessions.restore(record.ref), record)
        try:
            yield board
        finally:
            board.end_streams()
            await board._leave()

    async def stop(self) -> None:
        """Let every stream end and make nothing new: the process was told to end."""
        self.end_streams()
        await self.heygen.stop_watching()

    def end_streams(self) -> None:
        """Let every event stream end, so that the server can."""
        self.news.end()
        for room in self.rooms.values():
            room.news.end()

    def listed(self, after: int = -1) -> list[Room]:
        """Return the newest rooms, the oldest of them first; those that changed after a count of `news`."""
        newest = list(self.rooms.values())[-LISTED:]
        return [room for room in newest if self._changed_at[room.record.id] > after]

    async def create(
        self, form: str, prompt: str, *, orientation: Orientation | None, files: Sequence[Asset]
    ) -> Room:
        """
        Make a session, once for the same form and prompt, however often and at whatever moment it is sent.

        Raises:
            HeyGenError: It was not made.
        """
        form = f"{form}:{hashlib.sha256(prompt.encode()).hexdigest()[:16]}"
        made = next((room for room in self.rooms.values() if room.record.form == form), None)
        if made is not None:
            return made
        task = self._creating.get(form)
        if task is None:
            task = asyncio.create_task(self._create(form, prompt, orientation, files), name=f"create {form}")
            self._creating[form] = task
            task.add_done_callback(lambda _: self._creating.pop(form))
        return await asyncio.shield(task)  # a browser that leaves does not unmake it

    async def _create(
        self, form: str, prompt: str, orientation: Orientation | None, files: Sequence[Asset]
    ) -> Room:
        session = await self.heygen.sessions.create(
            prompt, orientation=orientation, files=files, idempotency_key=form, max_wait=0
        )
        return await self._take(session, form, prompt)

    async def _take(self, session: Session, form: str, prompt: str) -> Room:
        now = time.time()
        record = Record(
            id=session.id, form=form, prompt=prompt, title=None, created=now, since=now, ref=session.ref()
        )
        await self._save(record)
        room = self._add(session, record)
        self.news.tell()
        return room

    def _add(self, session: Session, record: Record) -> Room:
        room = self.rooms[record.id] = Room(session, record, self._save, self._note)
        self._changed_at[record.id] = self.news.count + 1
        return room

    def _note(self, room: Room) -> None:
        self._changed_at[room.record.id] = self.news.count + 1
        self.news.tell()

    async def _leave(self) -> None:
        resting = [task for room in self.rooms.values() if (task := room.rest()) is not None]
        # A session that is being made is waited for: it may be paid for already.
        await asyncio.gather(*resting, *self._creating.values(), return_exceptions=True)
