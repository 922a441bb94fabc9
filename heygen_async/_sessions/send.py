"""
Sends messages to the agent: one at a time, none twice, none lost.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from .. import _clock
from .._api import sessions as session_api
from .._http.attempts import send_write
from .._http.writes import PendingWrite
from .._polling import refs
from ..errors import Conflict, HeyGenError, InvalidArgument, SessionBusy
from .send_recovery import PendingSend, recover_send

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._http.writes import SendGuard
    from .._polling.state import SessionTracker
    from .._resources._context import Core
    from ..errors import InvalidRequest
    from ..models import SentMessage

APPROVAL = "Looks good, go ahead and generate."

log = logging.getLogger("heygen_async")


async def send(
    core: Core,
    track: SessionTracker,
    call: Call[SentMessage],
    message: str,
    *,
    cursor: int,
    send_guard: SendGuard | None = None,
) -> SentMessage:
    """
    Deliver a message; see `Session.send`. Each attempt is made only if the guard does not raise.

    Raises:
        SessionBusy: Another is under way: the agent answers in order, and two racing ones fail (contract.md, 6).
    """
    core.api.bind()
    if track.is_sending:
        raise SessionBusy(
            f"Another message to session {track.session_id} is under way.",
            session_id=track.session_id,
            last_state=track.state,
            ref=refs.write(track, cursor),
        )
    track.is_sending = True
    try:
        write = PendingWrite(call, guard=send_guard)
        work = _send(core, track, write, message)
        return await core.api.writes.start(write, work, partial(_log_delivered, call)).wait()
    except HeyGenError as error:
        error.add_note(f"Session: {track.session_id}")
        raise
    finally:
        track.is_sending = False


async def _send(
    core: Core, track: SessionTracker, write: PendingWrite[SentMessage], message: str
) -> SentMessage:
    if not track.has_read_messages:
        await _read_messages(core, track)
    conversation, state = track.conversation, track.state
    pending = PendingSend(
        track,
        write,
        message,
        _clock.wall(),
        cursor=conversation.cursor if track.has_read_messages else None,
        was_paused=state is not None and state.is_paused and not track.is_stale,
        last=conversation.messages[-1] if conversation.messages else None,
    )
    timeouts = core.api.timeouts
    try:
        sent = await send_write(core.api, write, partial(recover_send, core.api, pending))
    except Conflict:
        track.doubt(since=_clock.now(), settle=timeouts.settle, stale=timeouts.stale)
        raise
    track.record_send(
        message,
        since=_clock.now(),
        settle=timeouts.settle,
        stale=timeouts.stale,
        cursor=pending.cursor,
        sent_at=core.api.service_clock.earliest(write.sent_at),
    )
    core.scheduler.poll_now(track.session_id)
    return sent


async def _read_messages(core: Core, track: SessionTracker) -> None:
    """Read the conversation so far: without it a lost message cannot be told from an older one with the same words."""
    asked = _clock.now()
    try:
        session = (await core.api.attempt(session_api.session(track.session_id))).data
    except HeyGenError:
        return  # the message matters more: without this, only times tell
    track.record_session(session, asked=asked, now=_clock.now())


def _log_delivered(call: Call[SentMessage], sent: SentMessage) -> None:
    extra = {"event": "cancelled_write", "session_id": sent.session_id, "idempotency_key": call.key}
    log.info("A cancelled send was delivered to session %s", sent.session_id, extra=extra)


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


def may_refuse_auto_proceed(error: InvalidRequest) -> bool:
    """
    Whether a refusal may be about `auto_proceed`: the guide has it, the current schema refuses it (contract.md).

    It need not name the field, and asking without it costs nothing: a refused message was not delivered.
    """
    return error.code in (None, "invalid_parameter") or error.param == "auto_proceed"
