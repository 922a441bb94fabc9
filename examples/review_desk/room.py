"""One session as every browser sees it: followed while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from heygen_async import (
    ClientStateError,
    HeyGenError,
    Message,
    NotFound,
    Session,
    SessionPaused,
    SessionState,
    SessionStatus,
    StateUnknown,
)
from heygen_async.cadence import Durations

from .eta import seconds_left
from .news import News
from .store import Record
from .troubles import Trouble, trouble_of

log = logging.getLogger("review_desk")

_ENDED: Final = (SessionStatus.COMPLETED, SessionStatus.FAILED)

Save = Callable[[Record, Mapping[str, object]], Awaitable[None]]


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
        self,
        session: Session,
        record: Record,
        durations: Durations,
        save: Save,
        on_change: Callable[[Room], None],
    ) -> None:
        self.session = session
        self.record = record
        self.messages: list[Message] = []
        self.trouble: Trouble | None = None
        self.has_video = False
        self.has_ended = session.state is not None and session.state.is_terminal
        self.is_answered = False
        self.news = News()
        self._durations = durations
        self._save = save
        self._on_change = on_change
        self._status = None if session.state is None else session.state.status
        self._is_read = False
        self._begun = (time.monotonic(), 0)
        self._saves = 0
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

    async def approve(self, by: str) -> None:
        """Have the storyboard rendered, and record who wanted it."""
        await self.session.approve()
        await self._went_on(approved_by=by, approved=time.time())

    async def stop(self) -> None:
        """Ask the agent to end its run."""
        await self.session.stop()
        await self.keep(stopped=True)

    async def is_at_work(self) -> bool:
        """
        Return whether the agent works on it, as the service says now: this process may not follow it.

        Raises:
            HeyGenError: The service could not be asked.
        """
        try:
            state = await self.session.refresh()
        except NotFound:
            return False
        return not state.is_paused and not state.is_terminal

    async def _went_on(self, **values: object) -> None:
        self.has_ended = self.has_video = False
        self.is_answered, self.trouble = True, None
        await self.keep(
            answers=self.record.answers + 1,
            ref=self.session.ref(),
            since=time.time(),
            stopped=False,
            **values,
        )
        self._follow()

    async def keep(self, **values: object) -> None:
        """Write down something about the session."""
        self.record = replace(self.record, **values)  # type: ignore[arg-type]
        self._changed()
        self._saves += 1
        try:
            await self._save(self.record, values)
        finally:
            self._saves -= 1

    def take_over(self, record: Record, restore: Callable[[bytes], Session]) -> None:
        """Go on with what another process of the desk has written."""
        if record == self.record or self._saves:
            return  # what is being saved comes again, with this in it
        has_gone_on = record.answers > self.record.answers
        self.record = record
        if has_gone_on:
            self.session = restore(record.ref)
            self.has_ended = self.has_video = self._is_read = False
            self._status, self.is_answered, self.trouble = None, True, None
            self.rest()
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
            self._status, self._begun = state.status, (time.monotonic(), state.progress)
        if has_moved and state.previous is not None:
            self._durations.add(state.previous, state.elapsed)
        # The first look shows what was said before this process began, the later ones what is new.
        fresh = list(state.new_messages) if self._is_read else list(reversed(state.messages))
        self.messages = [*self.messages, *fresh] if self._is_read else fresh
        self.is_answered, self.trouble, self._is_read = False, None, True
        self._changed()
        if has_moved:
            await self.keep(title=state.title, ref=self.session.ref(), since=time.time())
        elif state.new_messages:
            await self.keep(title=state.title, ref=self.session.ref())

    @property
    def seconds_left(self) -> float | None:
        """For how long its present status is likely to last; None when nothing says so."""
        state = self.session.state
        if state is None or self._task is None or self.is_answered:
            return None
        at, progress = self._begun
        usual = self._durations.expected(state.status)
        elapsed = time.monotonic() - at
        return seconds_left(state.status, elapsed, state.progress - progress, state.progress, usual)

    def _failed_to(self, error: Exception) -> None:
        log.warning("Session %s can't be followed: %s", self.record.id, error)
        self.trouble = trouble_of(error)
        self._changed()

    def _changed(self) -> None:
        self.news.tell()
        self._on_change(self)
