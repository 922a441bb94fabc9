"""
Makes a session: what costs money, and happens once; or takes up one that was made before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import _clock
from .._http.writes import PendingWrite, run_shielded
from .._polling import refs
from .._polling.state import SessionTracker
from ..errors import ConnectionLost
from .session import Session

if TYPE_CHECKING:
    from datetime import datetime

    from .._api.calls import Call
    from .._http.writes import SendGuard
    from .._resources._context import Core
    from ..models import SessionData


async def create(
    core: Core,
    call: Call[SessionData],
    prompt: str,
    mode: str,
    *,
    begun_at: datetime | None = None,
    raise_rate_limit: bool = False,
    rescue: Callable[[Session], None] | None = None,
    permit: SendGuard | None = None,
) -> Session:
    """
    Make the session of a call; see `Sessions.create`.

    Args:
        core: The client's parts.
        call: What to send.
        prompt: Its prompt, by which the session is known again.
        mode: Its mode.
        begun_at: When an earlier process may have sent it.
        raise_rate_limit: Whether a 429 is raised at once.
        rescue: Also gets the session that a cancelled caller leaves behind.
        permit: Awaited right before each attempt, which is not made if it raises.
    """

    def keep(session: Session) -> None:
        core.orphans.append(session)
        if rescue is not None:
            rescue(session)

    core.api.bind()
    write = PendingWrite(call, raise_rate_limit=raise_rate_limit, permit=permit)
    return await run_shielded(
        write,
        _made(core, write, prompt, mode, None if begun_at is None else begun_at.timestamp()),
        limit=core.api.timeouts.write,
        rescue=keep,
        rescues=core.api.rescues,
    )


async def _made(
    core: Core, write: PendingWrite[SessionData], prompt: str, mode: str, began: float | None
) -> Session:
    with core.ownership.flight(prompt, write, began):
        data: SessionData | None = None
        if began is not None:
            data = await write.recall(ConnectionLost("An earlier process may have made this session."))
        if data is None:
            data = (await core.api.call(write.call, write=write)).data
        while key := core.ownership.swapped_key(data.session_id, write):
            write.call = replace(write.call, key=key)
            data = (await core.api.call(write.call, write=write)).data
        core.ownership.own(data.session_id)
    track = track_of(core, data.session_id)
    track.mode = mode
    now = _clock.now()
    track.record_session(data, asked=now, now=now)
    return Session(core, track)


def track_of(core: Core, session_id: str) -> SessionTracker:
    """Return what is known of a session, the same for all its handles."""
    track = core.tracks.get(session_id)
    if track is None:
        track = core.tracks[session_id] = SessionTracker(session_id)
        track.on_transition = core.heed
    return track


def restored(core: Core, ref: bytes | str, permit: SendGuard | None = None) -> Session:
    """Return the session of a ref; see `Sessions.restore`. What it says is sent only if `permit` does not raise."""
    track, cursor = refs.read(ref, core.tracks)
    core.tracks[track.session_id] = track
    track.on_transition = core.heed
    core.ownership.own(track.session_id)
    return Session(core, track, cursor, permit)


def resumed(core: Core, ref: bytes | str) -> Session:
    """
    Return the session of a ref to go on with by itself.

    Its last pause may have been answered by a process that could not say so any more, and the service may show it
    for a while: answered twice, an approval is a revision that is paid for.
    """
    session = restored(core, ref)
    core.tracks[session.id].doubt(since=_clock.now(), settle=core.api.timeouts.settle)
    return session
