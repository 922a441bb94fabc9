"""
Who answers the pauses of a batch's sessions: a callable, or one answer for all.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .models import Approve, Reply, SessionState, Stop

if TYPE_CHECKING:
    from ._jobs import Answer, BatchReviewer
    from ._session import Session

_ROUNDS = 10  # pauses of one session that one answer for all answers


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
