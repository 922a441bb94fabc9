"""
Sends messages to the agent: one at a time, none twice, none lost.

Whether a message with a lost answer was delivered, its session shows (design §3.3).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from .. import _clock
from .._api import sessions as session_api
from .._http.open_writes import PendingWrite
from .._http.writes import send_write
from .._polling import refs
from .._polling.messages import WINDOW, compare_texts
from .._polling.state import APPROVED, SessionTracker
from ..errors import Conflict, HeyGenError, InvalidArgument, SessionBusy
from ..models import Message, SentMessage
from .evidence import LAG_TIMES, PATIENCE_TIMES, SKEW, read_pauses, unless_failing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._api.calls import Call
    from .._http.client import ApiClient
    from .._http.open_writes import SendGuard
    from .._polling.reads import Ask
    from .._resources._context import Core
    from ..models import SessionData

APPROVAL = "Looks good, go ahead and generate."

log = logging.getLogger("heygen_async")


async def send(
    core: Core,
    track: SessionTracker,
    call: Call[SentMessage],
    message: str,
    *,
    cursor: int,
    is_approval: bool = False,
    send_guard: SendGuard | None = None,
) -> SentMessage:
    """
    Deliver a message; see `Session.send`. Each attempt is made only if the guard does not raise.

    An approval counts as delivered where what it asks for has come about.

    Raises:
        SessionBusy: Another is under way: the agent answers in order, and two racing ones fail (contract.md, 6).
    """
    core.api.bind()
    if track.is_sending:
        problem = f"Another message to session {track.session_id} is under way."
        raise SessionBusy(problem, **refs.facts(track, cursor))
    track.is_sending = True
    try:
        write = PendingWrite(call=call, guard=send_guard, candidates=(track.session_id,))
        work = _send(core, track, write, message, is_approval=is_approval)
        return await core.api.writes.start(write, work, partial(_log_delivered, call)).wait()
    except HeyGenError as error:
        error.add_note(f"Session: {track.session_id}")
        raise
    finally:
        track.is_sending = False


async def _send(
    core: Core, track: SessionTracker, write: PendingWrite[SentMessage], message: str, *, is_approval: bool
) -> SentMessage:
    api, conversation, was_paused = core.api, track.conversation, _is_paused(track)
    if not track.has_read_messages and not api.retry.trust_keys:
        # Without the conversation so far a lost message cannot be told from an older one with the same words. But
        # the message matters more: when this fails, only times tell.
        with suppress(HeyGenError):
            await _read_session(api.attempt, track)
    pending = PendingSend(
        track,
        write,
        message,
        cursor=conversation.cursor if track.has_read_messages else None,
        was_paused=was_paused or _is_paused(track),
        is_approval=is_approval,
        last=conversation.messages[-1] if conversation.messages else None,
    )
    try:
        sent = await send_write(api, write, partial(_recover, api, pending))
    except Conflict:
        track.doubt(since=_clock.now(), settle=api.timeouts.settle, stale=api.timeouts.stale)
        raise
    track.record_send(
        message,
        since=_clock.now(),
        settle=api.timeouts.settle,
        stale=api.timeouts.stale,
        cursor=pending.cursor,
        sent_at=api.service_clock.earliest(write.sent_at),
    )
    core.scheduler.follow_send(track)
    return sent


def _is_paused(track: SessionTracker) -> bool:
    return track.state is not None and track.state.is_paused and not track.is_stale


async def _read_session(ask: Ask, track: SessionTracker) -> SessionData:
    """Read the session into what is known of it."""
    asked = _clock.now()
    session = (await ask(session_api.session(track.session_id))).data
    track.record_session(session, asked=asked, now=_clock.now())
    return session


def _log_delivered(call: Call[SentMessage], sent: SentMessage) -> None:
    extra = {"event": "cancelled_write", "session_id": sent.session_id, "idempotency_key": call.key}
    log.info("A cancelled send was delivered to session %s", sent.session_id, extra=extra)


# ---- when the answer is lost --------------------------------------------------------------------------------------

_SAME_TIME = 2.0  # seconds within which two clocks that agree may differ


class PendingSend(Struct, frozen=True):
    """
    A message that is under way.

    Attributes:
        track: What is known of its session.
        write: What is known of the request.
        text: The message; empty when only files or the like were sent, of which nobody knows how they are shown.
        cursor: The conversation's from before; None when it could not be read, so that only times can tell our message
            from an older one with the same words.
        was_paused: Whether the session waited for an answer.
        is_approval: Whether it asks for the video that is not being rendered.
        last: The newest message from before: what does not show it is older than that.
    """

    track: SessionTracker
    write: PendingWrite[SentMessage]
    text: str
    cursor: int | None
    was_paused: bool
    is_approval: bool
    last: Message | None


async def _recover(api: ApiClient, send: PendingSend) -> SentMessage | None:
    """
    Return the message if it was delivered, None if it was not.

    Raises:
        OutcomeUnknown: The session does not tell.
    """
    track, started, settle_time = send.track, _clock.now(), api.retry.settle_time
    # Where an answered pause was shown for a while, it may be shown for as long again.
    until_absent = max(settle_time, LAG_TIMES * track.conversation.lag)
    patience = max(PATIENCE_TIMES * settle_time, min(until_absent, api.retry.max_elapsed))
    for count, wait in enumerate(read_pauses()):
        session = await unless_failing(_read_session(api.call, track))
        was_delivered = (
            await _has_new_video(api, track) if session is None else _was_delivered(api, send, session)
        )
        if was_delivered:
            return SentMessage(session_id=track.session_id, title=None if session is None else session.title)
        elapsed = _clock.now() - started
        if count and was_delivered is False and elapsed >= until_absent:
            return None
        if count and elapsed >= patience:
            raise send.write.outcome_unknown("the conversation does not tell")
        await _clock.sleep(wait)
    return None


async def _has_new_video(api: ApiClient, track: SessionTracker) -> bool | None:
    """Whether our message set off a video, behind which the session has vanished (contract.md, 1); None if not."""
    answer = await unless_failing(api.call(session_api.session_videos(track.session_id)))
    return (answer is not None and bool(answer.data) and answer.data[0].id != track.video_id) or None


def _was_delivered(api: ApiClient, send: PendingSend, session: SessionData) -> bool | None:
    """Whether a reading shows that our message was delivered; None when it does not tell."""
    conversation = send.track.conversation
    new, has_gap = conversation.since(send.cursor or 0)
    is_older = send.last is not None and send.last not in session.messages and not has_gap
    has_gone_on = send.was_paused and not session.status.is_paused
    if (has_gone_on or (send.is_approval and session.status in APPROVED)) and not is_older:
        return True  # the agent goes on with what was answered, whether or not the message shows yet
    if send.cursor is None:
        return _was_delivered_by_time(api, send, session.messages)
    if any(message.role == "user" for message in new):
        return True
    # More went by than is shown, or it is older than what was known before.
    return None if has_gap or is_older or not send.text else False


def _was_delivered_by_time(api: ApiClient, send: PendingSend, messages: Sequence[Message]) -> bool | None:
    """The same for a conversation not read before: an older message with these words may be another."""
    offset = api.service_clock.offset()
    sent_at = send.write.sent_at
    if offset is not None and sent_at is not None:
        earliest = latest = sent_at + offset[0] - _SAME_TIME
    else:
        earliest, latest = send.write.began - SKEW, send.write.began - _SAME_TIME
    # A session that shows no message shows nothing of ours either; forty newer ones may have pushed it out.
    shows_it_all = 0 < len(messages) < WINDOW
    after_prompt = messages[:-1] if shows_it_all else messages
    users = [message for message in after_prompt if message.role == "user"]
    for message in users:
        if message.created_at is not None and message.created_at >= latest:
            # Other words may be ours as the service shows them; without its time they may be older, too.
            is_ours = not send.text or compare_texts(send.text, message.content) != "other"
            return True if is_ours or offset is not None else None
    is_possible = any(message.created_at is None or message.created_at >= earliest for message in users)
    return None if is_possible or not shows_it_all or not send.text else False


# ---- what may be sent ---------------------------------------------------------------------------------------------


def check_chat(mode: str | None) -> None:
    """
    Refuse to send to a session that takes no messages.

    Raises:
        InvalidArgument: It was created in generate mode.
    """
    if mode == "generate":
        raise InvalidArgument(
            "session",
            "was created with mode='generate' and takes no messages",
            hint="Create it with mode='chat'.",
        )
