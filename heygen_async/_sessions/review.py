"""
Drives a conversation: asks a reviewer at every pause and passes the answer on.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .._polling.state import TERMINAL
from ..errors import Conflict, InvalidArgument, SessionFailed, WatchTimeout
from ..models import Approve, Reply, SessionState, Stop

if TYPE_CHECKING:
    from msgspec import UnsetType

    from .._resources.videos import Video
    from .session import Session

Answer = Reply | Approve | Stop
Reviewer = Callable[["Session", SessionState], Answer | Awaitable[Answer]]

REFUSALS = 3  # answers in a row a session may refuse for its state
_STOPPING = 60.0  # seconds a stopped session may take to its next checkpoint before it counts as ended


async def converse(session: Session, reviewer: Reviewer, timeout: float | UnsetType | None) -> Video:
    """Answer every pause until the video is there; see `Session.converse`."""
    refusals = 0
    while True:
        state = await session.wait(timeout=timeout)
        if not state.is_paused:
            return await session.video(timeout=timeout)
        said = reviewer(session, state)
        answer = await said if inspect.isawaitable(said) else said
        if isinstance(answer, Stop):
            return await stopped(session)
        try:
            await pass_on(session, answer)
            refusals = 0
        except Conflict:
            refusals += 1
            if refusals >= REFUSALS:
                raise
            # Otherwise the pause was an old one: wait for what the session really does, and ask again.


async def pass_on(session: Session, answer: object, idempotency_key: str | None = None) -> None:
    """Say what a reviewer answered; a `Stop` is not for here."""
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


async def stopped(session: Session) -> Video:
    """Stop; the status of a stopped session is not documented, so a video is taken if there is one."""
    await session.stop()
    try:
        async with session.watch(until=TERMINAL, timeout=_STOPPING) as states:
            async for state in states:
                if state.is_terminal and state.failure_reason is None:
                    return await _kept(session)
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


async def _kept(session: Session) -> Video:
    """Return what a stopped session has: if need be the video of an earlier run, since no new one will come."""
    async for video in session.videos():
        if video.is_downloadable:
            return video
        break
    return await session.video(timeout=_STOPPING)


BatchReviewer = Answer | Callable[["Session", "SessionState"], "Answer | Awaitable[Answer]"]

_ROUNDS = 10  # pauses of one session that one answer for all answers


def check_reviewer(reviewer: object) -> None:
    """
    Refuse what cannot answer.

    Raises:
        InvalidArgument: It is neither an answer nor callable.
    """
    if reviewer is None or isinstance(reviewer, Reply | Approve | Stop):
        return
    if isinstance(reviewer, type) or not callable(reviewer):
        raise InvalidArgument(
            "reviewer", f"must be Approve(), Reply(...), Stop() or a callable, not {reviewer!r:.40}"
        )


async def answer_of(
    reviewer: BatchReviewer | None, session: Session, state: SessionState, rounds: int
) -> Answer | None:
    """
    Return what is to be said at a pause, the number of pauses answered before given; None for nothing.

    `Approve` approves whatever is asked. A `Reply` is said once in a session, and what comes of it is approved: said
    at every pause it would have the storyboard revised for ever.
    """
    if reviewer is None or session.mode == "generate":
        return None  # that mode takes no messages, though it may ask (contract.md, 4)
    if isinstance(reviewer, Reply | Approve | Stop):
        return None if rounds >= _ROUNDS else _next(reviewer, state)
    said = reviewer(session, state)
    return await said if inspect.isawaitable(said) else said


def _next(answer: Answer, state: SessionState) -> Answer:
    if isinstance(answer, Reply) and any(
        message.role == "user" and message.content.strip() == answer.message.strip()
        for message in state.messages
    ):
        return Approve()
    return answer
