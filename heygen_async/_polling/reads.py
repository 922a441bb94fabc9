"""
One read of a session or its video, whichever is the authority now, recorded in what is known of it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

from .. import _clock
from .._api import sessions as session_api
from .._api import videos as video_api
from ..errors import NotFound, Unauthorized
from .state import Change, ReadTarget
from .watched import CachedAnswer

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._api.responses import Envelope
    from .._http.client import ApiClient
    from ..models import SessionData
    from .state import SessionTracker
    from .watched import WatchedSession

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
    target, asked = track.next_read(for_video=for_video), _clock.now()
    try:
        if target is ReadTarget.SESSION:
            session = (await ask(session_api.session(track.session_id))).data
            return track.record_session(session, asked=asked, now=_clock.now())
        if target is ReadTarget.VIDEO and track.video_id is not None:
            video = (await ask(video_api.video(track.video_id))).data
            return track.record_video(video, asked=asked, now=_clock.now())
        videos = (await ask(session_api.session_videos(track.session_id))).data
        return track.record_videos(videos, asked=asked, now=_clock.now())
    except NotFound as error:
        return _record_missing(track, target, error)


def _record_missing(track: SessionTracker, target: ReadTarget, error: NotFound) -> Change:
    if not error.from_service:
        raise error  # a page of something in between says nothing about the session
    change = track.record_missing(target, now=_clock.now())
    if Change.GONE in change:
        raise error
    return change


# ---- a poll: the same read again and again ------------------------------------------------------------------------


async def read_session(session: WatchedSession, api: ApiClient) -> Change:
    """
    Make the read that is due for a watched session and return what it changed.

    An answer that is the same to the byte costs next to nothing.

    Raises:
        NotFound: See `read`.
        TransportError: See `read`.
        APIError: See `read`.
    """
    api.counters.polls += 1
    session.is_single = False
    session.polled_at = asked = _clock.now()
    track, cached = session.track, session.cached
    if track.is_stale or track.next_read(for_video=session.for_video) is not ReadTarget.SESSION:
        return await read(track, api.attempt, for_video=session.for_video)
    if cached is None:
        cached = session.cached = CachedAnswer(session_api.session(track.session_id))
    if cached.state is not track.state:
        cached.body = None  # something else was learnt in between, so the old answer is news again
    try:
        data = await _read_again(cached, api)
    except NotFound as error:
        return _record_missing(track, ReadTarget.SESSION, error)
    now = _clock.now()
    if data is None:
        if track.is_stale or cached.state is not track.state:
            return Change.READ_AGAIN  # a message was sent meanwhile, and the same answer means something else
        track.record_unchanged(now)
        return Change.NOTHING
    change = track.record_session(data, asked=asked, now=now)
    cached.state = track.state
    return change


async def _read_again(cached: CachedAnswer, api: ApiClient) -> SessionData | None:
    """Ask once; None when the answer is the same to the byte."""
    request = cached.request
    if request is None or request.headers is not api.identity.headers:
        await api.identity.ready()
        cached.request = request = api.request(cached.call)
    answer = await api.exchange(request)
    if answer.status == HTTPStatus.OK and answer.body == cached.body:
        return None
    try:
        data = api.decode(cached.call, answer).data
    except Unauthorized as error:
        if not await api.identity.renew(request.headers):
            raise api.identity.explain(error) from None
        cached.body = None  # what comes now is not kept, and must not be taken for what was
        return (await api.attempt(cached.call)).data
    cached.body = answer.body
    return data
