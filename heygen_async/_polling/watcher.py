"""
One watch: what the scheduler knows of it (`Watcher`), and what its reader iterates over (`Watch`).

The scheduler puts states in; a slow reader finds the last one. A state that ends the watch is kept even if the
session has moved on before it was read.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from inspect import isawaitable
from typing import TYPE_CHECKING, Protocol, Self

from msgspec import Struct, structs

from .. import _redact, errors
from .._api.responses import is_about_credit
from ..errors._arguments import check_callable, check_positive, check_text, given, list_of
from ..models import SessionState, SessionStatus
from . import refs
from .messages import failure, last_words
from .state import Change

if TYPE_CHECKING:
    from ..cadence import PollContext
    from .state import SessionTracker


def statuses(
    until: Iterable[SessionStatus | str], also: Iterable[SessionStatus] = ()
) -> frozenset[SessionStatus]:
    """
    Return the statuses that end a watch, as a set that many watchers share.

    Raises:
        InvalidArgument: `until` is not made of words.
    """
    words = list_of("until", until)
    for word in words:
        check_text(until=word)
    return _statuses((*words, *also))


@lru_cache(maxsize=100)
def _statuses(words: tuple[SessionStatus | str, ...]) -> frozenset[SessionStatus]:
    return frozenset(SessionStatus(word) for word in words)


class Outage(Struct, frozen=True, kw_only=True):
    """
    The service cannot be reached for a session that is watched, or can again.

    Attributes:
        session_id: The session.
        seconds: How long its polls have failed without a break.
        error: What the last one failed with; None when the service answers again.
    """

    session_id: str
    seconds: float
    error: errors.HeyGenError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the service answers again."""
        return self.error is None


OnOutage = Callable[[Outage], Awaitable[None] | None]


class MessageCursor(Struct, eq=False, gc=False):
    """
    Where a session's handle stands in the conversation.

    Attributes:
        cursor: The number of the last message any of its watches has delivered.
    """

    cursor: int = 0


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Watcher:
    """
    What the scheduler knows of one watch.

    Attributes:
        track: The session.
        until: Statuses that end the watch.
        timeout: Seconds from the first poll; None for no deadline.
        progress: Whether new progress and new messages count as well as transitions.
        for_video: Whether `completed` counts only once its video can be downloaded.
        stall_timeout: Seconds without any movement that count as a stall; None for never.
        cadence: Its own schedule; None for the client's.
        cursor: The number of the last message that is not to be delivered again.
        accept_stale: Whether the state from before a send counts once it has stood for long.
        on_outage: Called when the service cannot be reached, and when it can again.
        delivered_revision: The revision of the session that it got last; None before the first state.
        is_done: Whether it gets no more.
        is_stopped: Whether it ended only because the client stops watching.
    """

    track: SessionTracker
    until: frozenset[SessionStatus]
    timeout: float | None
    progress: bool = False
    for_video: bool = False
    stall_timeout: float | None = None
    cadence: Callable[[PollContext], float] | None = None
    cursor: int = 0
    accept_stale: bool = False
    on_outage: OnOutage | None = None
    began: float | None = None
    deadline: float = math.inf
    delivered_revision: int | None = None
    is_done: bool = False
    is_stopped: bool = False
    _outage: Outage | None = None  # to be reported
    _pending: SessionState | None = None
    _error: Exception | None = None
    _waiter: asyncio.Future[None] | None = None

    def __post_init__(self) -> None:
        check_positive(**given(timeout=self.timeout, stall_timeout=self.stall_timeout))
        check_callable(**given(cadence=self.cadence, on_outage=self.on_outage))

    @property
    def stalls_at(self) -> float:
        """When the session counts as stalled if nothing moves; infinite for never."""
        return math.inf if self.stall_timeout is None else self._last_moved + self.stall_timeout

    @property
    def _last_moved(self) -> float:
        return max(self.began or 0.0, self.track.moved_at)

    @property
    def is_quiet(self) -> bool:
        """Whether an answer without news does not concern it."""
        return self.delivered_revision is not None and not self.for_video and self.stall_timeout is None

    def begin(self, now: float) -> None:
        """Start the time; a watch that goes on after a cancelled step keeps its own."""
        if self.began is None:
            self.began = now
            self.deadline = math.inf if self.timeout is None else now + self.timeout

    # -- from the scheduler --

    def take(self, change: Change, now: float) -> None:
        """Take what a poll brought."""
        track, state = self.track, self.track.state
        if state is None or Change.READ_AGAIN in change:
            return
        guard = track.guard
        if guard is not None and guard.is_blocking and not (self.accept_stale and guard.is_shown):
            return
        has_moved = self.progress and (Change.PROGRESS in change or Change.MESSAGES in change)
        if has_moved or self.delivered_revision != track.revision:
            self.delivered_revision, self._pending = track.revision, state
        if self.for_video and track.is_completed:
            self._check_video(state, now)
        elif state.status in self.until and self._pending is not None:
            self.end()
        if self._pending is not None:
            self._wake()

    def _check_video(self, state: SessionState, now: float) -> None:
        why = self.track.video_failure(now)
        if why is not None:
            self.fail(session_failed(self, why))
        elif self.track.finished_video is not None:
            self._pending = state
            self.end()

    def check_stall(self, now: float) -> None:
        """End the watch if nothing has moved for too long, or a pause that was answered stands for too long."""
        track = self.track
        since = None if self.accept_stale else track.stalled_since(now)
        if since is not None:
            problem = f"still shows the state from before a message of {now - since:.0f} seconds ago"
            hint = "Do not answer that pause again: it may be paid for twice. Read the session, or wait on."
        elif self.stalls_at <= now:
            problem, hint = f"has not moved for {now - self._last_moved:.0f} seconds", None
        else:
            return
        facts = refs.facts(track, self.cursor)
        self.fail(errors.SessionStalled(f"Session {track.session_id} {problem}.", hint=hint, **facts))

    def report(self, outage: Outage) -> None:
        """Have the reader's callback called with an outage that has begun or is over."""
        if self.on_outage is not None:
            self._outage = outage
            self._wake()

    def fail_late(self) -> None:
        """End the watch because its deadline has passed."""
        track = self.track
        word = "not read yet" if track.state is None else f"{track.state.status} at {track.state.progress} %"
        late = f"Session {track.session_id} is late: {word} at the deadline."
        self.fail(errors.WatchTimeout(late, **refs.facts(track, self.cursor)))

    def fail_unknown(self, cause: errors.HeyGenError) -> None:
        """End the watch because the service could not be asked for too long."""
        why = f"was not readable for too long: {_redact.clean(str(cause))}"
        facts = refs.facts(self.track, self.cursor)
        error = errors.StateUnknown(f"Session {self.track.session_id} {why}", **facts)
        error.__cause__ = cause
        self.fail(error)

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

    @property
    def is_idle(self) -> bool:
        """Whether its reader has to wait: no state, no end, and no error."""
        return self._pending is None and self._error is None and not self.is_done

    def pop_outage(self) -> Outage | None:
        """Return the outage that is to be reported, once; not before a state that came earlier."""
        if self._outage is None or self._pending is not None:
            return None
        outage, self._outage = self._outage, None
        return outage

    def begin_wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return what is done when there is something for the reader."""
        if self._waiter is not None:
            raise errors.ClientStateError(
                "Two tasks await the same watch.",
                hint="Call session.watch() once for each reader; polls are shared.",
            )
        self._waiter = waiter = loop.create_future()
        return waiter

    def end_wait(self) -> None:
        """Wait no more."""
        self._waiter = None

    def pop(self) -> SessionState | None:
        """Return the next state; None when the watch has ended."""
        state, self._pending = self._pending, None
        if state is None:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None
        messages, gap = self.track.conversation.since(self.cursor)
        self.cursor = self.track.conversation.cursor
        return structs.replace(state, new_messages=messages, messages_gap=gap) if messages or gap else state


class Scheduler(Protocol):
    """What polls for watchers."""

    def add(self, watcher: Watcher) -> None: ...
    def remove(self, watcher: Watcher) -> None: ...


class Watch(AsyncIterator[SessionState]):
    """
    An asynchronous iterator of a session's states.

    Nothing is sent before the first state is awaited. Leaving the loop drops the watch at once; keep it in a
    variable and use `async with` or `aclose()` to say when. Cancelling a step drops the polls until the next step and
    loses no state. An object and not a generator, so that no cancel scope is ever left open inside it.
    """

    __slots__ = ("__weakref__", "_handle", "_loop", "_scheduler", "_watcher")

    def __init__(self, scheduler: Scheduler, watcher: Watcher, handle: MessageCursor) -> None:
        self._scheduler = scheduler
        self._watcher = watcher
        self._handle = handle
        watcher.cursor = handle.cursor
        self._loop: asyncio.AbstractEventLoop | None = None  # where it is followed

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
        # All in one coroutine: there are tens of thousands that wait here.
        loop, watcher = asyncio.get_running_loop(), self._watcher
        if self._loop is not loop and not watcher.is_done:
            self._scheduler.add(watcher)
            self._loop = loop
        try:
            while (outage := watcher.pop_outage()) or watcher.is_idle:
                if outage is None:
                    waiter = watcher.begin_wait(loop)
                    try:
                        await waiter
                    finally:
                        watcher.end_wait()
                elif watcher.on_outage is not None and isawaitable(answer := watcher.on_outage(outage)):
                    await answer
            state = watcher.pop()
        except asyncio.CancelledError:
            # What keeps the error keeps this watch alive; its polls must not go on for so long. The next step, if
            # there is one, takes them up again.
            self._scheduler.remove(self._watcher)
            self._loop = None
            raise
        self._handle.cursor = max(self._handle.cursor, watcher.cursor)
        if state is None:
            raise StopAsyncIteration
        return state

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the watch; polls that serve nobody else stop. Twice is the same as once."""
        self._scheduler.remove(self._watcher)
        self._watcher.is_done = True

    def __del__(self) -> None:
        # A loop left by `break` never closes its iterator: letting go of it is all that happens.
        self._scheduler.remove(self._watcher)


# ---- errors -------------------------------------------------------------------------------------------------------


def session_failed(watcher: Watcher, why: tuple[str, str] | None = None) -> errors.SessionFailed:
    """Return the error of a session that ended without a video; `why` is the reason and its source."""
    track = watcher.track
    reason, source = why or failure(track.video, track.conversation.messages)
    code = None if track.video is None else track.video.failure_code
    kind = errors.OutOfCredit if is_about_credit(code) else errors.SessionFailed
    words = last_words(track.state) if source == "sdk" else None
    quote = "" if words is None else f" The agent's last words: {_redact.clean(words)!r}"
    return kind(
        f"Session {track.session_id} failed: {_redact.clean(reason)}{quote}",
        reason=reason,
        reason_source=source,
        code=code,
        **refs.facts(track, watcher.cursor),
    )
