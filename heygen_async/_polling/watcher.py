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
from ..cadence import PollContext
from ..errors._arguments import check_callable, check_positive, check_text, given, list_of
from ..models import SessionState, SessionStatus
from . import refs
from .messages import failure, last_words
from .state import Change

if TYPE_CHECKING:
    from .state import SessionTracker


Words = Iterable[SessionStatus | str]


def statuses(until: Words, also: Words = ()) -> frozenset[SessionStatus]:
    """
    Return the statuses that end a watch.

    Raises:
        InvalidArgument: `until` is not made of words.
    """
    words = list_of("until", until)
    for word in words:
        check_text(until=word)
    return frozenset(SessionStatus(word) for word in (*words, *also))


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


class WatchOptions(Struct, frozen=True):
    """
    What a caller wants of a watch.

    Attributes:
        until: Statuses that end the watch.
        timeout: Seconds from the first poll; None for no deadline.
        stall_timeout: Seconds without any movement that count as a stall; None for never.
        cadence: Its own schedule; None for the client's.
        on_outage: Called when the service cannot be reached, and when it can again.
        progress: Whether new progress and new messages count as well as transitions.
        accept_stale: Whether the state from before a send counts once it has stood for long.
        for_video: Whether `completed` counts only once its video can be downloaded.
    """

    until: frozenset[SessionStatus]
    timeout: float | None
    stall_timeout: float | None = None
    cadence: Callable[[PollContext], float] | None = None
    on_outage: OnOutage | None = None
    progress: bool = False
    accept_stale: bool = False
    for_video: bool = False

    def __post_init__(self) -> None:
        check_positive(**given(timeout=self.timeout, stall_timeout=self.stall_timeout))
        check_callable(**given(cadence=self.cadence, on_outage=self.on_outage))

    def share(self) -> WatchOptions:
        """Return those of an earlier watch that are the same, as most are; a caller's functions are not kept."""
        return self if self.cadence or self.on_outage else _share(self)


@lru_cache(maxsize=100)
def _share(options: WatchOptions) -> WatchOptions:
    return options


@dataclass(slots=True, eq=False, repr=False)
class Watcher:
    """
    What the scheduler knows of one watch.

    Attributes:
        track: The session.
        options: What its caller wants.
        cursor: The number of the last message that is not to be delivered again.
        began: When it was first polled for; None before.
        delivered_revision: The revision of the session that it got last; None before the first state.
        is_done: Whether it gets no more.
        is_stopped: Whether it ended only because the client stops watching.
    """

    track: SessionTracker
    options: WatchOptions
    _handle: MessageCursor
    cursor: int = 0
    began: float | None = None
    delivered_revision: int | None = None
    is_done: bool = False
    is_stopped: bool = False
    _outage: Outage | None = None  # to be reported
    _pending: SessionState | None = None
    _error: Exception | None = None
    _waiter: asyncio.Future[None] | None = None

    def __post_init__(self) -> None:
        self.cursor = self._handle.cursor

    @property
    def deadline(self) -> float:
        """When it ends, whatever has come; infinite for never."""
        return (self.began or 0.0) + (self.options.timeout or math.inf)

    @property
    def stalls_at(self) -> float:
        """When the session counts as stalled if nothing moves; infinite for never."""
        return max(self.began or 0.0, self.track.moved_at) + (self.options.stall_timeout or math.inf)

    @property
    def is_quiet(self) -> bool:
        """Whether an answer without news does not concern it."""
        options = self.options
        return self.delivered_revision is not None and not options.for_video and options.stall_timeout is None

    # -- from the scheduler --

    def take(self, change: Change, now: float) -> None:
        """Take what a poll brought."""
        track, state, options = self.track, self.track.state, self.options
        if state is None or Change.READ_AGAIN in change:
            return
        guard = track.guard
        if guard is not None and guard.is_blocking and not (options.accept_stale and guard.is_shown):
            return
        has_moved = options.progress and (Change.PROGRESS in change or Change.MESSAGES in change)
        if has_moved or self.delivered_revision != track.revision:
            self.delivered_revision, self._pending = track.revision, state
        if options.for_video and track.is_completed:
            self._check_video(state, now)
        elif state.status in options.until and self._pending is not None:
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
        since = None if self.options.accept_stale else self.track.stalled_since(now)
        if since is not None:
            problem = f"still shows the state from before a message of {now - since:.0f} seconds ago."
            hint = "Do not answer that pause again: it may be paid for twice. Read the session, or wait on."
            self._fail(errors.SessionStalled, problem, hint)
        elif self.stalls_at <= now:
            seconds = now - max(self.began or 0.0, self.track.moved_at)
            self._fail(errors.SessionStalled, f"has not moved for {seconds:.0f} seconds.")

    def report(self, outage: Outage) -> None:
        """Have the reader's callback called with an outage that has begun or is over."""
        if self.options.on_outage is not None:
            self._outage = outage
            self._wake()

    def fail_late(self) -> None:
        """End the watch because its deadline has passed."""
        state = self.track.state
        word = "not read yet" if state is None else f"{state.status} at {state.progress} %"
        self._fail(errors.WatchTimeout, f"is late: {word} at the deadline.")

    def fail_unknown(self, cause: errors.HeyGenError) -> None:
        """End the watch because the service could not be asked for too long."""
        track, why = self.track, f"was not readable for too long: {_redact.clean(str(cause))}"
        error = errors.StateUnknown(f"Session {track.session_id} {why}", **refs.facts(track, self.cursor))
        error.__cause__ = cause
        self.fail(error)

    def _fail(self, kind: type[errors.SessionError], problem: str, hint: str | None = None) -> None:
        track = self.track
        facts = refs.facts(track, self.cursor)
        self.fail(kind(f"Session {track.session_id} {problem}", hint=hint, **facts))

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
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- from the reader --

    def next_wait(self) -> Awaitable[object] | None:
        """
        Return what to await before `pop`, again and again; None when there is a state, an error or the end.

        Raises:
            ClientStateError: Another task awaits this watch.
        """
        if self._pending is not None:
            return None  # an outage is not reported before a state that came earlier
        outage, self._outage = self._outage, None
        if outage is not None and self.options.on_outage is not None:
            answer = self.options.on_outage(outage)
            return answer if isawaitable(answer) else self.next_wait()
        if self._error is not None or self.is_done:
            return None
        if self._waiter is not None and not self._waiter.done():
            raise errors.ClientStateError(
                "Two tasks await the same watch.",
                hint="Call session.watch() once for each reader; polls are shared.",
            )
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def end_wait(self) -> None:
        """Wait no more."""
        self._waiter = None

    def pop(self) -> SessionState:
        """
        Return the next state.

        Raises:
            StopAsyncIteration: The watch has ended.
        """
        state, self._pending = self._pending, None
        if state is None:
            error, self._error = self._error, None
            raise StopAsyncIteration if error is None else error
        messages, gap = self.track.conversation.since(self.cursor)
        self.cursor = self.track.conversation.cursor
        self._handle.cursor = max(self._handle.cursor, self.cursor)
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

    __slots__ = ("__weakref__", "_loop", "_scheduler", "_watcher")

    def __init__(self, scheduler: Scheduler, watcher: Watcher) -> None:
        self._scheduler = scheduler
        self._watcher = watcher
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
            while (awaited := watcher.next_wait()) is not None:
                await awaited
            return watcher.pop()
        except (asyncio.CancelledError, GeneratorExit):
            # What keeps the error keeps this watch alive; its polls must not go on for so long. The next step, if
            # there is one, takes them up again.
            watcher.end_wait()
            self._scheduler.remove(watcher)
            self._loop = None
            raise

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
