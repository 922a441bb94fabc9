"""
One read of a session or its video, whichever is the authority now, fed into what is known of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol, TypeVar

from .. import _clock
from .._api import sessions as session_api
from .._api import videos as video_api
from .._redact import clean
from ..errors import NotFound
from .queue import CachedAnswer
from .state import Change, ReadTarget

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._api.responses import Envelope
    from .._http.client import ApiClient
    from ..models import SessionState
    from .queue import WatchedSession
    from .state import SessionTracker

T = TypeVar("T")


class Ask(Protocol):
    """How to ask: once (`ApiClient.attempt`) or until answered (`ApiClient.call`)."""

    async def __call__(self, call: Call[T], /) -> Envelope[T]: ...


async def read(track: SessionTracker, ask: Ask, *, for_video: bool = False) -> Change:
    """
    Make the read that is due and return what it changed.

    Raises:
        NotFound: It does not exist, and no grace is left in which that may be so for a while.
        TransportError: The service could not be asked.
        APIError: The service refused.
    """
    look, asked = track.next_read(for_video=for_video), _clock.now()
    try:
        return await _told(track, ask, look, asked)
    except NotFound:
        change = track.record_missing(look, now=_clock.now())
        if Change.GONE in change:
            raise
        return change


async def _told(track: SessionTracker, ask: Ask, look: ReadTarget, asked: float) -> Change:
    if look is ReadTarget.SESSION:
        session = (await ask(session_api.session(track.session_id))).data
        return track.record_session(session, asked=asked, now=_clock.now())
    if look is ReadTarget.VIDEO and track.video_id is not None:
        video = (await ask(video_api.video(track.video_id))).data
        return track.record_video(video, asked=asked, now=_clock.now())
    videos = (await ask(session_api.session_videos(track.session_id))).data
    return track.record_videos(videos, asked=asked, now=_clock.now())


async def look(record: WatchedSession, api: ApiClient) -> Change:
    """
    Look at a watched session on its own and return what changed.

    Raises:
        NotFound: See `read`.
        TransportError: See `read`.
        APIError: See `read`.
    """
    api.counters.polls += 1
    record.is_single = False
    record.polled_at = now = _clock.now()
    track, seen = record.track, record.seen
    if track.is_stale or track.next_read(for_video=record.for_video) is not ReadTarget.SESSION:
        return await read(track, api.attempt, for_video=record.for_video)
    if seen is None:
        seen = record.seen = CachedAnswer(track.session_id)
    return await reread(track, api, seen, now)


async def reread(track: SessionTracker, api: ApiClient, seen: CachedAnswer, asked: float) -> Change:
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
        data = await api.poll(seen)
    except NotFound:
        change = track.record_missing(ReadTarget.SESSION, now=_clock.now())
        if Change.GONE in change:
            raise
        return change
    now = _clock.now()
    if data is None and not track.is_stale and seen.state is track.state:
        track.record_unchanged(now)
        return Change.NOTHING
    if data is None:
        return Change.READ_AGAIN  # a message was sent meanwhile, and the same words mean something else now
    change = track.record_session(data, asked=asked, now=now)
    seen.state = track.state
    return change


log = logging.getLogger("heygen_async")

_MOST = 100


class Vocabulary:
    """The unknown statuses one client has met."""

    __slots__ = ("_unknown",)

    def __init__(self) -> None:
        self._unknown: set[str] = set()

    def note(self, state: SessionState) -> None:
        """Log the status if it is new and unknown."""
        status = state.status
        if status.is_known or status in self._unknown or len(self._unknown) > _MOST:
            return
        self._unknown.add(str(status))
        said = {"event": "unknown_status", "session_id": state.session_id, "status": clean(str(status))}
        log.warning("The service uses a status this release does not know: %s", said["status"], extra=said)
