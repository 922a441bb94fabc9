"""
Drives a conversation: calls a reviewer at every pause and delivers the answer.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import UNSET, UnsetType

from .._polling.reasons import last_words
from .._polling.state import TERMINAL
from .._redact import clean
from ..errors import Conflict, InvalidArgument, SessionFailed, SessionPaused, WatchTimeout
from ..models import Approve, Reply, SessionState, SessionStatus, Stop

if TYPE_CHECKING:
    from .._polling.watcher import Watch
    from .._resources.videos import Video
    from ..models import SentMessage


class ReviewedSession(Protocol):
    """What a review needs of a session."""

    @property
    def id(self) -> str: ...
    @property
    def mode(self) -> str | None: ...
    @property
    def state(self) -> SessionState | None: ...
    def ref(self) -> bytes: ...
    def watch(
        self, *, until: Iterable[SessionStatus | str] = ..., timeout: float | UnsetType | None = UNSET
    ) -> Watch: ...
    async def wait(self, *, timeout: float | UnsetType | None = UNSET) -> SessionState: ...
    async def send(
        self,
        message: str,
        *,
        avatar_id: str | None = None,
        voice_id: str | None = None,
        brand_kit_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> SentMessage: ...
    async def approve(
        self, message: str | None = None, *, idempotency_key: str | None = None
    ) -> SentMessage: ...
    async def stop(self) -> None: ...
    def videos(self) -> AsyncIterator[Video]: ...
    async def video(self, *, timeout: float | UnsetType | None = UNSET) -> Video: ...


S = TypeVar("S", bound=ReviewedSession)

Answer = Reply | Approve | Stop
Reviewer = Callable[[S, SessionState], Answer | Awaitable[Answer]]
BatchReviewer = Answer | Callable[[S, SessionState], Answer | Awaitable[Answer]]

REFUSALS = 3  # answers in a row a session may refuse for its state
_STOPPING = 60.0  # seconds a stopped session may take to its next checkpoint before it counts as ended
_ROUNDS = 10  # pauses of one session that one answer for all answers


async def converse(session: S, reviewer: Reviewer[S], timeout: float | UnsetType | None) -> Video:
    """Answer every pause until the video is there; see `Session.converse`."""
    refusals = 0
    while True:
        state = await session.wait(timeout=timeout)
        if not state.is_paused:
            return await session.video(timeout=timeout)
        returned = reviewer(session, state)
        answer = await returned if inspect.isawaitable(returned) else returned
        if isinstance(answer, Stop):
            return await stop(session)
        try:
            await deliver_answer(session, answer)
            refusals = 0
        except Conflict:
            refusals += 1
            if refusals >= REFUSALS:
                raise
            # Otherwise the pause was an old one: wait for what the session really does, and ask again.


async def deliver_answer(
    session: ReviewedSession, answer: object, idempotency_key: str | None = None
) -> None:
    """Send what a reviewer answered; a `Stop` is not for here."""
    match answer:
        case Reply():
            await session.send(
                answer.message,
                avatar_id=answer.avatar_id,
                voice_id=answer.voice_id,
                brand_kit_id=answer.brand_kit_id,
                idempotency_key=idempotency_key,
            )
        case Approve():
            await session.approve(answer.message, idempotency_key=idempotency_key)
        case _:
            raise InvalidArgument("reviewer", f"returned {type(answer).__name__}, not Reply, Approve or Stop")


async def stop(session: ReviewedSession) -> Video:
    """Stop; the status of a stopped session is not documented, so a video is taken if there is one."""
    await session.stop()
    try:
        async with session.watch(until=TERMINAL, timeout=_STOPPING) as states:
            async for state in states:
                if state.is_terminal and state.failure_reason is None:
                    return await _newest_video(session)
    except WatchTimeout:
        pass
    raise SessionFailed(
        f"Session {session.id} was stopped by the reviewer.",
        session_id=session.id,
        reason="Stopped by the reviewer.",
        reason_source="reviewer",
        last_state=session.state,
        ref=session.ref(),
    )


async def _newest_video(session: ReviewedSession) -> Video:
    """Return what a stopped session has: if need be the video of an earlier run, since no new one will come."""
    async for video in session.videos():
        if video.is_downloadable:
            return video
        break
    return await session.video(timeout=_STOPPING)


def check_reviewer(reviewer: object) -> None:
    """
    Refuse what cannot answer.

    Raises:
        InvalidArgument: It is neither an answer nor callable.
    """
    is_answer = reviewer is None or isinstance(reviewer, Reply | Approve | Stop)
    if not is_answer and (isinstance(reviewer, type) or not callable(reviewer)):
        raise InvalidArgument("reviewer", "must be Approve(), Reply(...), Stop() or a callable")


async def answer_of(
    reviewer: BatchReviewer[S] | None, session: S, state: SessionState, rounds: int
) -> Answer | None:
    """
    Return what to send at a pause, the number of pauses answered before given; None for nothing.

    `Approve` approves every pause. A `Reply` is sent once in a session, and what comes of it is approved: sent at
    every pause it would have the storyboard revised for ever.
    """
    if reviewer is None or session.mode == "generate":
        return None  # that mode takes no messages, though it may ask (contract.md, 4)
    if isinstance(reviewer, Reply | Approve | Stop):
        return None if rounds >= _ROUNDS else _next(reviewer, state)
    returned = reviewer(session, state)
    return await returned if inspect.isawaitable(returned) else returned


def _next(answer: Answer, state: SessionState) -> Answer:
    if isinstance(answer, Reply) and any(
        message.role == "user" and message.content.strip() == answer.message.strip()
        for message in state.messages
    ):
        return Approve()
    return answer


def pause_error(session: ReviewedSession, state: SessionState) -> SessionPaused:
    """Return the error of a session that waits for an answer while nobody is there to give one."""
    asks = last_words(state)
    return SessionPaused(
        f"Session {session.id} is {state.status}: {clean(asks) if asks else 'it waits for an answer.'}",
        session_id=session.id,
        last_state=state,
        ref=session.ref(),
    )
