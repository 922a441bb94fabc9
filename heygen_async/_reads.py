"""
One read of a session or its video, whichever is the authority now, fed into what is known of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from . import _clock, _wire
from ._caller import Seen
from ._lifecycle import Change, Look
from .errors import NotFound

if TYPE_CHECKING:
    from ._agenda import Record
    from ._answers import Envelope
    from ._caller import Caller
    from ._lifecycle import Track
    from ._wire import Call

T = TypeVar("T")


class Ask(Protocol):
    """How to ask: once (`Caller.attempt`) or until answered (`Caller.call`)."""

    async def __call__(self, call: Call[T], /) -> Envelope[T]: ...


async def read(track: Track, ask: Ask, *, for_video: bool = False) -> Change:
    """
    Make the read that is due and return what it changed.

    Raises:
        NotFound: It does not exist, and no grace is left in which that may be so for a while.
        TransportError: The service could not be asked.
        APIError: The service refused.
    """
    look, asked = track.look(for_video=for_video), _clock.now()
    try:
        return await _told(track, ask, look, asked)
    except NotFound:
        change = track.saw_nothing(look, now=_clock.now())
        if Change.GONE in change:
            raise
        return change


async def _told(track: Track, ask: Ask, look: Look, asked: float) -> Change:
    if look is Look.SESSION:
        session = (await ask(_wire.session(track.session_id))).data
        return track.saw_session(session, asked=asked, now=_clock.now())
    if look is Look.VIDEO and track.video_id is not None:
        video = (await ask(_wire.video(track.video_id))).data
        return track.saw_video(video, asked=asked, now=_clock.now())
    videos = (await ask(_wire.session_videos(track.session_id))).data
    return track.saw_videos(videos, asked=asked, now=_clock.now())


async def look(record: Record, caller: Caller) -> Change:
    """
    Look at a watched session on its own and return what changed.

    Raises:
        NotFound: See `read`.
        TransportError: See `read`.
        APIError: See `read`.
    """
    caller.counters.polls += 1
    record.is_single = False
    record.looked_at = now = _clock.now()
    track, seen = record.track, record.seen
    if track.is_stale or track.look(for_video=record.for_video) is not Look.SESSION:
        return await read(track, caller.attempt, for_video=record.for_video)
    if seen is None:
        seen = record.seen = Seen(track.session_id)
    return await reread(track, caller, seen, now)


async def reread(track: Track, caller: Caller, seen: Seen, asked: float) -> Change:
    """
    Read a session that was read before; an answer that is the same to the byte costs next to nothing.

    Raises:
        NotFound: See `read`.
        TransportError: The service could not be asked.
        APIError: The service refused.
    """
    if seen.state is not track.state:
        seen.forget()  # something else was learnt in between: the old answer is news again
    try:
        data = await caller.poll(seen)
    except NotFound:
        change = track.saw_nothing(Look.SESSION, now=_clock.now())
        if Change.GONE in change:
            raise
        return change
    now = _clock.now()
    if data is None and not track.is_stale and seen.state is track.state:
        track.saw_same(now)
        return Change.NOTHING
    if data is None:
        return Change.LOOK_AGAIN  # a message was sent meanwhile, and the same words mean something else now
    change = track.saw_session(data, asked=asked, now=now)
    seen.state = track.state
    return change
