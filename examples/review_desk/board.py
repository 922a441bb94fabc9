"""All sessions of the desk."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import aiosqlite
from starlette.exceptions import HTTPException

from heygen_async import Asset, HeyGen, NotFound, Session
from heygen_async.cadence import Durations

from .account import Account
from .news import News
from .room import Room
from .store import Record, Store

log = logging.getLogger("review_desk")

Orientation = Literal["landscape", "portrait"]

LISTED = 200  # sessions in the list, the newest ones
IN_STEP = 1.0  # seconds between looks for what other processes have written
ELSEWHERE = 60.0  # seconds to wait for a session that another process is making


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVideo:
    """
    A filled-in form.

    Attributes:
        form: Its own name: the same form makes no second session.
        prompt: What the video is about.
        name: A title of one's own, or nothing.
        avatar_id: The avatar's look; None for the agent's choice, as for the next three.
        files: Attachments, uploaded.
    """

    form: str
    prompt: str
    name: str = ""
    avatar_id: str | None = None
    voice_id: str | None = None
    style_id: str | None = None
    orientation: Orientation | None = None
    files: Sequence[Asset] = ()


class Board:
    """
    The rooms of a desk.

    Attributes:
        heygen: The client.
        account: What there is to choose from and to spend.
        rooms: By session id, the oldest first.
        news: Counts the changes of all rooms together.
    """

    def __init__(self, heygen: HeyGen, store: Store | None) -> None:
        self.rooms: dict[str, Room] = {}
        self.news = News()
        self.heygen = heygen
        self.account = Account(heygen)
        self._durations = Durations()
        self._store = store
        self._changed_at: dict[str, int] = {}
        self._creating: dict[str, asyncio.Task[Room]] = {}

    @classmethod
    @asynccontextmanager
    async def opened(cls, heygen: HeyGen, store: Store | None) -> AsyncGenerator[Board]:
        """Go on with the sessions of the store, None to keep nothing, for the time of the block."""
        board = cls(heygen, store)
        await board.refresh()
        step = asyncio.create_task(board._keep_in_step(), name="keep in step") if store else None
        try:
            yield board
        finally:
            if step is not None:
                step.cancel()
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

    # -- the list --

    def listed(self, is_wanted: Callable[[Room], bool]) -> list[Room]:
        """Return the newest rooms of those wanted, the oldest of them first."""
        newest = list(islice(filter(is_wanted, reversed(self.rooms.values())), LISTED))
        return newest[::-1]

    def has_changed(self, room: Room, after: int) -> bool:
        """Return whether a room has changed after a count of `news`."""
        return self._changed_at[room.record.id] > after

    async def refresh(self) -> None:
        """Take over what this or another process of the desk has written."""
        records = [] if self._store is None else await self._store.changes()
        for record in records:
            room = self.rooms.get(record.id)
            if room is not None and record.place == "deleted":
                self._remove(room)
            elif room is not None:
                room.take_over(record, self.heygen.sessions.restore)
            elif record.place != "deleted":
                self._add(self.heygen.sessions.restore(record.ref), record)
                self.news.tell()

    async def _keep_in_step(self) -> None:
        while True:
            await asyncio.sleep(IN_STEP)
            try:
                await self.refresh()
            except aiosqlite.Error as error:  # a full disk, a locked file: it may pass
                log.warning("The desk's database can't be read: %s", error)

    # -- a session comes and goes --

    async def create(self, video: NewVideo) -> Room:
        """
        Make a session, once for the same form and prompt, however often and at whatever moment it is sent.

        Raises:
            HeyGenError: It was not made.
            HTTPException: Another process is making it, and takes long.
        """
        form = f"{video.form}:{hashlib.sha256(video.prompt.encode()).hexdigest()[:16]}"
        made = self._made_by(form)
        if made is not None:
            return made
        task = self._creating.get(form)
        if task is None:
            task = asyncio.create_task(self._create(form, video), name=f"create {form}")
            self._creating[form] = task
            task.add_done_callback(lambda _: self._creating.pop(form))
        return await asyncio.shield(task)  # a browser that leaves does not unmake it

    async def delete(self, room: Room) -> None:
        """
        Delete a session's video at the service, and forget the session.

        Raises:
            HeyGenError: The video could not be deleted; the session stays.
        """
        if room.session.video_id is not None:
            try:
                await self.heygen.videos.delete(room.session.video_id)
            except NotFound:
                log.info("Video %s was deleted before", room.session.video_id)
        await room.keep(place="deleted")
        self._remove(room)

    def _made_by(self, form: str) -> Room | None:
        return next((room for room in self.rooms.values() if room.record.form == form), None)

    async def _create(self, form: str, video: NewVideo) -> Room:
        if self._store is not None and not await self._store.claim(form):
            return await self._made_elsewhere(form)
        try:
            chosen = [each for each in (video.avatar_id, video.voice_id, video.style_id) if each]
            choices = (await self.account.catalog.get()).names(chosen) if chosen else ""
            session = await self.heygen.sessions.create(
                video.prompt,
                avatar_id=video.avatar_id,
                voice_id=video.voice_id,
                style_id=video.style_id,
                orientation=video.orientation,
                files=video.files,
                idempotency_key=form,
                max_wait=0,
            )
        except BaseException:
            if self._store is not None:
                await self._store.release(form)
            raise
        return await self._keep(session, form, video, choices)

    async def _keep(self, session: Session, form: str, video: NewVideo, choices: str) -> Room:
        now = time.time()
        record = Record(
            id=session.id,
            form=form,
            prompt=video.prompt,
            name=video.name,
            choices=choices,
            created=now,
            since=now,
            ref=session.ref(),
        )
        if self._store is not None:
            await self._store.add(record)
        room = self.rooms.get(record.id) or self._add(session, record)
        self.news.tell()
        return room

    async def _made_elsewhere(self, form: str) -> Room:
        for _ in range(int(ELSEWHERE / IN_STEP)):
            await self.refresh()
            if (made := self._made_by(form)) is not None:
                return made
            await asyncio.sleep(IN_STEP)
        raise HTTPException(
            409, "This form was sent before. Look at the list of sessions before you send it again."
        )

    def _add(self, session: Session, record: Record) -> Room:
        room = self.rooms[record.id] = Room(session, record, self._durations, self._save, self._note)
        self._changed_at[record.id] = self.news.count + 1
        return room

    def _remove(self, room: Room) -> None:
        self.rooms.pop(room.record.id, None)
        room.rest()
        room.news.end()
        self.news.tell()

    async def _save(self, record: Record, values: Mapping[str, object]) -> None:
        if self._store is not None:
            await self._store.update(record.id, **values)

    def _note(self, room: Room) -> None:
        self._changed_at[room.record.id] = self.news.count + 1
        self.news.tell()

    async def _leave(self) -> None:
        resting = [task for room in self.rooms.values() if (task := room.rest()) is not None]
        # A session that is being made is waited for: it may be paid for already.
        await asyncio.gather(*resting, *self._creating.values(), return_exceptions=True)
