"""One session as every browser sees it: followed while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Final

from heygen_async import (
    ClientStateError,
    HeyGenError,
    Message,
    Session,
    SessionPaused,
    SessionState,
    SessionStatus,
    StateUnknown,
)

from .news import News
from .store import Record
from .troubles import Trouble, trouble_of

log = logging.getLogger("review_desk")

_ENDED: Final = (SessionStatus.COMPLETED, SessionStatus.FAILED)

Save = Callable[[Record], Awaitable[None]]


class Room:
    """
    One session, and all who look at it.

    Attributes:
        session: The client's handle.
        record: What survives a restart.
        messages: The conversation, oldest first.
        trouble: Why the session can't be followed at the moment, if so.
        has_video: Whether there is a video to play.
        has_ended: Whether its run has ended, so that nothing changes until somebody speaks.
        is_answered: Whether somebody spoke and the service has not yet been seen to go on.
        news: Counts the changes.
    """

    def __init__(
        self, session: Session, record: Record, save: Save, on_change: Callable[[Room], None]
    ) -> None:
        self.session = session
        self.record = record
        self.messages: list[Message] = []
        self.trouble: Trouble | None = None
        self.has_video = False
        self.has_ended = session.state is not None and session.state.is_terminal
        self.is_answered = False
        self.news = News()
        self._save = save
        self._on_change = on_change
        self._status = None if session.state is None else session.state.status
        self._is_read = False
        self._viewers = 0
        self._task: asyncio.Task[None] | None = None

    # -- those who look --

    @contextmanager
    def looked_at(self) -> Generator[None]:
        """Follow the session for the time of the block; many blocks cost as much as one."""
        self._viewers += 1
        self._follow()
        try:
            yield
        finally:
            self._viewers -= 1
            if not self._viewers:
                self.rest()

    def rest(self) -> asyncio.Task[None] | None:
        """Stop following; return the task that ends."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        return task

    # -- those who speak --

    async def say(self, text: str) -> None:
        """Send a message: an answer, or a revision."""
        await self.session.send(text)
        await self._went_on()

    async def approve(self) -> None:
        """Have the storyboard rendered."""
        await self.session.approve()
        await self._went_on()

    async def stop(self) -> None:
        """Ask the agent to end its run."""
        await self.session.stop()

    async def _went_on(self) -> None:
        self.has_ended = self.has_video = False
        self.is_answered, self.trouble = True, None
        await self.keep()
        self._follow()
        self._changed()

    # -- following --

    def _follow(self) -> None:
        if not self._is_read:
            self.has_ended = False
        if self._viewers and self._task is None and not self.has_ended:
            self._task = asyncio.create_task(self._keep_up(), name=f"follow {self.record.id}")

    async def _keep_up(self) -> None:
        try:
            await self._until_it_ends()
        except ClientStateError:
            pass  # the desk is closing
        except HeyGenError as error:
            self._failed_to(error)
        except Exception as error:  # a page that says so is better than one that stands still
            log.exception("Session %s can't be followed", self.record.id)
            self._failed_to(error)
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _until_it_ends(self) -> None:
        while not self.has_ended:
            try:
                async for state in self.session.watch(until=_ENDED, timeout=None, progress=True):
                    await self._saw(state)
                if self._status not in _ENDED:
                    return  # the desk is closing
                await self._end()
            except StateUnknown as error:  # it goes on at the service, and the service may come back
                self._failed_to(error)
            except SessionPaused:  # somebody asked for a revision before the video was ready
                continue

    async def _end(self) -> None:
        if self._status == SessionStatus.COMPLETED:
            await self.session.video(timeout=None)
            self.has_video = True
        self.has_ended = True
        self._changed()

    async def _saw(self, state: SessionState) -> None:
        has_moved = state.status != self._status
        if has_moved:
            self._status, self.record.since = state.status, time.time()
        # The first look shows what was said before this process began, the later ones what is new.
        self.messages += state.new_messages if self._is_read else reversed(state.messages)
        self.is_answered, self.trouble, self._is_read = False, None, True
        self._changed()
        if has_moved or state.new_messages:
            await self.keep()

    def _failed_to(self, error: Exception) -> None:
        log.warning("Session %s can't be followed: %s", self.record.id, error)
        self.trouble = trouble_of(error)
        self._changed()

    async def keep(self) -> None:
        """Write down where the session is."""
        if self.session.state is not None:
            self.record.title = self.session.state.title
        self.record.ref = self.session.ref()
        await self._save(self.record)

    def _changed(self) -> None:
        self.news.tell()
        self._on_change(self)
