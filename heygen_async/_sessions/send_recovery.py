"""
Finds out whether a message with a lost answer is there: the session itself is asked (design §3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _clock
from .._api import sessions as session_api
from .._http.retry import waits
from .._polling.messages import marked
from .._redact import clean
from ..errors import HeyGenError
from ..models import SentMessage
from .create_recovery import (
    BUSY,
    LONGEST_WAIT,
    LOOK_AGAIN,
    SKEW,
    UNREAD,
    is_busy,
    outcome_unknown,
    unless_failing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._http.client import ApiClient
    from .._http.writes import PendingWrite
    from .._polling.state import SessionTracker
    from ..models import Message, SessionData

_SAME_TIME = 2.0  # seconds within which two clocks that agree may differ


async def recover_send(
    api: ApiClient,
    track: SessionTracker,
    write: PendingWrite[SentMessage],
    error: HeyGenError,
    *,
    text: str,
    began: float,
    known: int | None,
) -> SentMessage | None:
    """
    Return the message if the session has it, None if it was not delivered.

    `known` is the conversation's cursor from before; None when it could not be read, so that only times can tell
    our message from an older one with the same words.
    """
    where = (track.session_id,)
    if api.retry.settle == "raise":
        raise outcome_unknown(write, began, "settling is switched off", where) from error
    started = _clock.now()
    for count, wait in enumerate(waits(LOOK_AGAIN, LONGEST_WAIT)):
        try:
            session = await _read_session(api, track)
        except HeyGenError as trouble:
            raise outcome_unknown(write, began, f"looking failed: {clean(str(trouble))}", where) from error
        is_there = None if session is None else _is_there(track, session, text, began, known)
        if session is not None and is_there:
            return SentMessage(session_id=track.session_id, title=session.title)
        if session is None and await _has_new_video(api, track):
            return SentMessage(session_id=track.session_id)
        patience = api.retry.settle_time * (UNREAD if session is None else 1)
        if count and _clock.now() - started >= patience:
            if is_there is None or is_busy(error):
                why = "the conversation does not tell" if is_there is None else BUSY
                raise outcome_unknown(write, began, why, where) from error
            return None
        await _clock.sleep(wait)
    return None


async def _read_session(api: ApiClient, track: SessionTracker) -> SessionData | None:
    """Read the session into what is known of it; None while the service does not show it."""
    asked = _clock.now()
    answer = await unless_failing(api.call(session_api.session(track.session_id)))
    if answer is None:
        return None
    track.record_session(answer.data, asked=asked, now=_clock.now())
    return answer.data


async def _has_new_video(api: ApiClient, track: SessionTracker) -> bool:
    """Whether our message set off a video, behind which the session has vanished (contract.md, 1)."""
    answer = await unless_failing(api.call(session_api.session_videos(track.session_id)))
    return answer is not None and bool(answer.data) and answer.data[0].id != track.video_id


def _is_there(
    track: SessionTracker, session: SessionData, text: str, began: float, known: int | None
) -> bool | None:
    """Whether the conversation has our message; None when it cannot tell."""
    if known is None:
        return _is_there_by_time(session.messages, text, began)
    if track.conversation.has_sent(marked(text), known):
        return True
    _, has_gap = track.conversation.since(known)
    return None if has_gap else False


def _is_there_by_time(messages: Sequence[Message], text: str, began: float) -> bool | None:
    """The same for a conversation nobody had read: an older message with these words may be another."""
    times = [
        message.created_at
        for message in messages
        if message.role == "user" and message.content.strip() == text.strip()
    ]
    if any(at is not None and at >= began - _SAME_TIME for at in times):
        return True
    return None if any(at is None or at >= began - SKEW for at in times) else False
