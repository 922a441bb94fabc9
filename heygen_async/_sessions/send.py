"""
Sends messages to the agent: one at a time, none twice, none lost.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .. import _clock
from .._api import sessions as session_api
from .._http.writes import PendingWrite, run_shielded
from .._polling import refs
from ..errors import Conflict, HeyGenError, InvalidArgument, SessionBusy
from .send_recovery import recover_send

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._http.writes import SendGuard
    from .._polling.state import SessionTracker
    from .._resources._context import Core
    from ..errors import InvalidRequest
    from ..models import SentMessage

APPROVAL = "Looks good, go ahead and generate."


async def send(
    core: Core,
    track: SessionTracker,
    call: Call[SentMessage],
    message: str,
    *,
    cursor: int,
    permit: SendGuard | None = None,
) -> SentMessage:
    """
    Deliver a message; see `Session.send`. Each attempt is made only if `permit` does not raise.

    Raises:
        SessionBusy: Another is on its way: the agent answers in order, and two racing ones fail (contract.md, 6).
    """
    core.api.bind()
    if track.is_sending:
        raise SessionBusy(
            f"Another message to session {track.session_id} is on its way.",
            session_id=track.session_id,
            last_state=track.state,
            ref=refs.write(track, cursor),
        )
    track.is_sending = True
    try:
        write = PendingWrite(call, permit=permit)
        return await run_shielded(
            write,
            _deliver(core, track, write, message),
            limit=core.api.timeouts.write,
            rescue=lambda _: None,
            rescues=core.api.rescues,
        )
    except HeyGenError as error:
        error.add_note(f"Session: {track.session_id}")
        raise
    finally:
        track.is_sending = False


async def _deliver(
    core: Core, track: SessionTracker, write: PendingWrite[SentMessage], message: str
) -> SentMessage:
    if not track.has_read_messages:
        await _read_messages(core, track)
    before = track.conversation.cursor
    write.settle = partial(
        recover_send,
        core.api,
        track,
        write,
        text=message,
        began=_clock.wall(),
        known=before if track.has_read_messages else None,
    )
    try:
        sent = (await core.api.call(write.call, write=write)).data
    except Conflict:
        track.doubt(since=_clock.now(), settle=core.api.timeouts.settle)
        raise
    track.record_send(message, since=_clock.now(), settle=core.api.timeouts.settle, cursor=before)
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


def names_auto_proceed(error: InvalidRequest) -> bool:
    """
    Whether a refusal is about `auto_proceed`: the guide has it, the current schema refuses it (contract.md).

    One that cannot be read may be, and asking without it costs nothing: a refused message was not delivered.
    """
    return error.param == "auto_proceed" or "auto_proceed" in error.message or error.code is None
