"""
Finds out whether a message with a lost answer was delivered: its session is the evidence (design §3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .. import _clock
from .._api import sessions as session_api
from .._polling.messages import compare_texts
from .._redact import clean
from ..errors import HeyGenError, OutcomeUnknown
from ..models import SentMessage
from .evidence import (
    BUSY,
    KEYS_TRUSTED,
    SKEW,
    SWITCHED_OFF,
    UNREADABLE_TIMES,
    is_busy,
    outcome_unknown,
    read_pauses,
    unless_failing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._http.client import ApiClient
    from .._http.writes import PendingWrite
    from .._polling.state import SessionTracker
    from ..models import Message, SessionData

_SAME_TIME = 2.0  # seconds within which two clocks that agree may differ


@dataclass(frozen=True, slots=True)
class PendingSend:
    """
    A message that is under way.

    Attributes:
        track: What is known of its session.
        write: What is known of the request.
        text: The message.
        began: When it began, in Unix seconds of our clock.
        cursor: The conversation's from before; None when it could not be read, so that only times can tell our message
            from an older one with the same words.
        was_paused: Whether the session waited for an answer.
        last: The newest message from before: what does not show it is older than that.
    """

    track: SessionTracker
    write: PendingWrite[SentMessage]
    text: str
    began: float
    cursor: int | None
    was_paused: bool
    last: Message | None


async def recover_send(api: ApiClient, send: PendingSend, error: HeyGenError) -> SentMessage | None:
    """
    Return the message if it was delivered, None if it was not.

    Raises:
        OutcomeUnknown: The session does not tell.
    """
    if api.retry.settle == "raise":
        raise _unknown(send, SWITCHED_OFF) from error
    if api.retry.trust_keys and not send.write.is_abandoned:
        raise _unknown(send, KEYS_TRUSTED) from error
    started, settle_time = _clock.now(), api.retry.settle_time
    for count, wait in enumerate(read_pauses()):
        delivered, is_visible = await _find(api, send, error)
        if isinstance(delivered, SentMessage):
            return delivered
        elapsed = _clock.now() - started
        if count and delivered is False and elapsed >= settle_time:
            if is_busy(error):
                raise _unknown(send, BUSY) from error
            return None
        if count and elapsed >= settle_time * (1 if is_visible and not send.was_paused else UNREADABLE_TIMES):
            raise _unknown(send, "the conversation does not tell") from error
        await _clock.sleep(wait)
    return None


async def _find(
    api: ApiClient, send: PendingSend, error: HeyGenError
) -> tuple[SentMessage | Literal[False] | None, bool]:
    """Return the message if it is there, False if it is not, None if that cannot be told; and if the session is."""
    session_id = send.track.session_id
    try:
        session = await _read_session(api, send.track)
        if session is None:
            has_video = await _has_new_video(api, send.track)
            return SentMessage(session_id=session_id) if has_video else None, False
    except HeyGenError as problem:
        raise _unknown(send, f"reading failed: {clean(str(problem))}") from error
    was_delivered = _was_delivered(api, send, session)
    if was_delivered:
        return SentMessage(session_id=session_id, title=session.title), True
    return was_delivered, True


def _unknown(send: PendingSend, why: str) -> OutcomeUnknown:
    return outcome_unknown(send.write, send.began, why, (send.track.session_id,))


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


def _was_delivered(api: ApiClient, send: PendingSend, session: SessionData) -> bool | None:
    """Whether a reading shows that our message was delivered; None when it does not tell."""
    if send.cursor is None:
        return _was_delivered_by_time(api, send, session.messages)
    conversation = send.track.conversation
    new, has_gap = conversation.since(send.cursor)
    if any(message.role == "user" for message in new):
        return True
    if has_gap or (send.last is not None and send.last not in session.messages):
        return None  # more went by than is shown, or it is older than what was known before
    return send.was_paused and not session.status.is_paused


def _was_delivered_by_time(api: ApiClient, send: PendingSend, messages: Sequence[Message]) -> bool | None:
    """The same for a conversation not read before: an older message with these words may be another."""
    offset = api.service_clock.offset()
    sent_at = send.write.sent_at
    if offset is not None and sent_at is not None:
        earliest = latest = sent_at + offset[0] - _SAME_TIME
    else:
        earliest, latest = send.began - SKEW, send.began - _SAME_TIME
    times = [
        message.created_at
        for message in messages
        if message.role == "user" and compare_texts(send.text, message.content) != "other"
    ]
    if any(at is not None and at >= latest for at in times):
        return True
    return None if any(at is None or at >= earliest for at in times) else False
