"""
One watch: a slot for the newest state, and a future while its reader waits.

The scheduler puts changes in; a slow reader finds the last one. A state that ends the watch is kept even if the
session has moved on before it was read.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from msgspec import structs

from .._api.responses import is_about_credit
from .._redact import clean
from ..cadence import schedule
from ..errors import (
    ClientStateError,
    HeyGenError,
    OutOfCredit,
    SessionFailed,
    SessionStalled,
    StateUnknown,
    WatchTimeout,
)
from ..models import SessionStatus
from . import refs
from .reasons import failure, last_words
from .state import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..cadence import Cadence, PollContext
    from ..models import SessionState
    from .outage import OnOutage, Outage
    from .state import SessionTracker


@lru_cache(maxsize=100)
def statuses(words: tuple[SessionStatus | str, ...]) -> frozenset[SessionStatus]:
    """Return the words as a set that many watchers share."""
    return frozenset(SessionStatus(word) for word in words)


class Watcher:
    """
    What the scheduler knows of one watch.

    Args:
        track: The session.
        until: Statuses that end the watch.
        progress: Whether new progress and new messages count as well as transitions.
        for_video: Whether `completed` counts only once its video can be downloaded.
        timeout: Seconds from the first poll; None for no deadline.
        stall_timeout: Seconds without any movement that count as a stall; None for never.
        cadence: Its own schedule; None for the client's.
        cursor: The number of the last message that is not to be delivered again.
        accept_stale: Whether the state from before a send counts once it has stood for long.
        on_outage: Called when the service cannot be reached, and when it can again.
    """

    __slots__ = (
        "_delivered_revision",
        "_error",
        "_on_outage",
        "_outage",
        "_pending",
        "_stall_timeout",
        "_timeout",
        "_waiter",
        "accept_stale",
        "began",
        "cadence",
        "cursor",
        "deadline",
        "for_video",
        "is_done",
        "is_primed",
        "is_stopped",
        "progress",
        "track",
        "until",
    )

    def __init__(
        self,
        track: SessionTracker,
        *,
        until: frozenset[SessionStatus],
        timeout: float | None,
        progress: bool = False,
        for_video: bool = False,
        stall_timeout: float | None = None,
        cadence: Callable[[PollContext], float] | None = None,
        cursor: int = 0,
        accept_stale: bool = True,
        on_outage: OnOutage | None = None,
    ) -> None:
        self.track: SessionTracker = track
        self.until: frozenset[SessionStatus] = until
        self.progress: bool = progress
        self.for_video: bool = for_video
        self.cadence: Cadence | None = None if cadence is None else schedule(cadence)
        self.cursor: int = cursor
        self.accept_stale: bool = accept_stale
        self.began: float | None = None
        self.deadline: float | None = None
        self.is_primed: bool = False
        self.is_done: bool = False
        self.is_stopped: bool = False
        self._timeout = timeout
        self._stall_timeout = stall_timeout
        self._on_outage = on_outage
        self._outage: Outage | None = None  # to be reported
        self._delivered_revision: int | None = None
        self._pending: SessionState | None = None
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def stalls_at(self) -> float | None:
        """When the session counts as stalled if nothing moves."""
        if self._stall_timeout is None:
            return None
        return self.last_moved + self._stall_timeout

    @property
    def last_moved(self) -> float:
        """When anything moved, since it is watched."""
        return max(self.began or 0.0, self.track.moved_at)

    def begin(self, now: float) -> None:
        """Start the time; a watch that goes on after a cancelled step keeps its own."""
        if self.began is None:
            self.began = now
            self.deadline = None if self._timeout is None else now + self._timeout

    # -- from the scheduler --

    def take(self, change: Change, now: float) -> None:
        """Take what a poll brought."""
        track = self.track
        if track.state is None or Change.READ_AGAIN in change:
            return
        if track.is_stale and not (self.accept_stale and track.is_stale_shown):
            return
        has_moved = self.progress and (Change.PROGRESS in change or Change.MESSAGES in change)
        if has_moved or self._delivered_revision != track.revision:
            self._delivered_revision, self.is_primed = track.revision, True
            self._pending = track.state
        if self.for_video and track.is_completed:
            self._check_video(now)
        elif track.state.status in self.until and self._pending is not None:
            self.end()
        if self._pending is not None:
            self._wake()

    def _check_video(self, now: float) -> None:
        reason = self.track.video_failure(now)
        if reason is not None:
            self.fail(session_failed(self, *reason))
        elif self.track.finished_video is not None:
            self._pending = self.track.state
            self.end()

    def check_stall(self, now: float) -> None:
        """End the watch if nothing has moved for too long, or a pause that was answered stands for too long."""
        since = None if self.is_done or self.accept_stale else self.track.stalled_since(now)
        if since is not None:
            self.fail(still_paused(self, now - since))
        elif not self.is_done and self.stalls_at is not None and self.stalls_at <= now:
            self.fail(session_stalled(self, now))

    def report(self, outage: Outage) -> None:
        """Have the reader's callback called with an outage that has begun or is over."""
        if self._on_outage is not None:
            self._outage = outage
            self._wake()

    def fail_late(self) -> None:
        """End the watch because its deadline has passed."""
        self.fail(watch_timeout(self))

    def fail(self, error: Exception) -> None:
        """End the watch with an error, after what is still unread."""
        self._error = error
        self.end()

    def end(self) -> None:
        """End the watch, after what is still unread."""
        self.is_done = True
        self._wake()

    def stop(self) -> None:
        """End the watch because the client stops watching."""
        if not self.is_done:
            self.is_stopped = True
            self.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- from the reader --

    async def next_state(self) -> SessionState | None:
        """Wait for the next state; None when the watch has ended. Cancelling loses nothing."""
        while self._pending is None:
            if self._outage is not None and self._on_outage is not None:
                outage, self._outage = self._outage, None
                answer = self._on_outage(outage)
                if inspect.isawaitable(answer):
                    await answer
                continue
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self.is_done:
                return None
            if self._waiter is not None:
                raise ClientStateError(
                    "Two tasks await the same watch.",
                    hint="Call session.watch() once for each reader; polls are shared.",
                )
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        state, self._pending = self._pending, None
        messages, gap = self.track.conversation.since(self.cursor)
        self.cursor = self.track.conversation.cursor
        return structs.replace(state, new_messages=messages, messages_gap=gap) if messages or gap else state


# ---- how a watch goes wrong ---------------------------------------------------------------------------------------


def watch_timeout(watcher: Watcher) -> WatchTimeout:
    """Return the error of a deadline that passed."""
    state = watcher.track.state
    word = "not read yet" if state is None else f"{state.status} at {state.progress} %"
    return WatchTimeout(
        f"Session {watcher.track.session_id} is late: {word} at the deadline.",
        session_id=watcher.track.session_id,
        last_state=state,
        ref=refs.write(watcher.track, watcher.cursor),
    )


def session_stalled(watcher: Watcher, now: float) -> SessionStalled:
    """Return the error of a session in which nothing moves."""
    still = now - watcher.last_moved
    return SessionStalled(
        f"Nothing moved in session {watcher.track.session_id} for {still:.0f} seconds.",
        session_id=watcher.track.session_id,
        last_state=watcher.track.state,
        ref=refs.write(watcher.track, watcher.cursor),
    )


def still_paused(watcher: Watcher, seconds: float) -> SessionStalled:
    """Return the error of a pause that shows still, long after it was answered."""
    return SessionStalled(
        f"Session {watcher.track.session_id} still shows the state from before a message of {seconds:.0f} seconds ago.",
        session_id=watcher.track.session_id,
        last_state=watcher.track.state,
        ref=refs.write(watcher.track, watcher.cursor),
        hint="Do not answer that pause again: it may be paid for twice. Look at the session, or wait on.",
    )


def state_unknown(watcher: Watcher, cause: HeyGenError) -> StateUnknown:
    """Return the error of a service that could not be asked."""
    error = StateUnknown(
        f"Session {watcher.track.session_id} could not be read for too long: {clean(str(cause))}",
        session_id=watcher.track.session_id,
        last_state=watcher.track.state,
        ref=refs.write(watcher.track, watcher.cursor),
    )
    error.__cause__ = cause
    return error


def session_failed(watcher: Watcher, reason: str | None = None, source: str | None = None) -> SessionFailed:
    """Return the error of a session that ended without a video."""
    if reason is None or source is None:
        reason, source = failure(watcher.track.video, watcher.track.conversation.messages)
    code = None if watcher.track.video is None else watcher.track.video.failure_code
    kind = partial(OutOfCredit, code=code) if is_about_credit(code) else SessionFailed
    words = last_words(watcher.track.state) if source == "sdk" else None
    quote = "" if words is None else f" The agent's last words: {clean(words)!r}"
    return kind(
        f"Session {watcher.track.session_id} failed: {clean(reason)}{quote}",
        session_id=watcher.track.session_id,
        reason=reason,
        reason_source=source,
        last_state=watcher.track.state,
        ref=refs.write(watcher.track, watcher.cursor),
    )


def copy_error(error: Exception) -> Exception:
    """Return an error for one of several watchers: a traceback must not grow with their number."""
    if not isinstance(error, HeyGenError):
        return error
    mine = copy.copy(error)
    mine.__cause__ = error.__cause__
    return mine
