"""
What answers the pauses of a batch: one answer for all of them, or a callable.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ..errors import InvalidArgument
from ..models import Approve, Reply, SessionState, Stop

if TYPE_CHECKING:
    from .session import Answer, BatchReviewer, Session

_ROUNDS = 10  # pauses of one session that one answer for all answers


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
    reviewer: BatchReviewer | None, session: Session, state: SessionState, rounds: int
) -> Answer | None:
    """
    Return what to send at a pause, the number of pauses answered before given; None for nothing.

    `Approve` approves every pause. A `Reply` is sent once in a session, and what comes of it is approved: sent at
    every pause it would have the storyboard revised for ever.
    """
    if reviewer is None or session.mode == "generate":
        return None  # that mode takes no messages, though it may ask (contract.md, 4)
    if not isinstance(reviewer, Reply | Approve | Stop):
        returned = reviewer(session, state)
        return await returned if inspect.isawaitable(returned) else returned
    if rounds >= _ROUNDS:
        return None
    is_sent = isinstance(reviewer, Reply) and any(
        message.role == "user" and message.content.strip() == reviewer.message.strip()
        for message in state.messages
    )
    return Approve() if is_sent else reviewer
