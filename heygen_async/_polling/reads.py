"""
What a poll reads: a session or its video, whichever is the authority now; or the videos of many that render.

A session that renders moves only when its video ends, and the service reports the statuses of 100 videos at once.
That is a hint, not the authority: a session that may have ended is read on its own, and so is one of the others now
and then, since a session can stop or ask something while its video shows nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import structs

from .. import _clock
from .._api import sessions as session_api
from .._api import videos as video_api
from .._api.responses import UNCHANGED, Envelope
from ..errors import APIError, Forbidden, InvalidArgument, InvalidRequest, NotFound
from ..models import VideoStatus
from .state import Change, ReadTarget, SessionTracker
from .watched import PollBatch, WatchedSession

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .._api.calls import Call
    from .._http.client import ApiClient

T = TypeVar("T")


class Ask(Protocol):
    """How to ask: once (`ApiClient.attempt`) or until answered (`ApiClient.call`)."""

    async def __call__(self, call: Call[T], /) -> Envelope[T]: ...


async def read(
    track: SessionTracker, ask: Ask, asked: float, *, for_video: bool = False
) -> tuple[Change, float]:
    """
    Make the read that is due, record it in what is known of the session, and return what it changed, and when.

    `asked` is the moment from which on the service is asked.

    Raises:
        NotFound: It does not exist, and no grace is left in which that may be so for a while.
        TransportError: The service could not be asked.
        APIError: The service refused.
    """
    target, talk = track.next_read(for_video=for_video), track.conversation
    known = track.digest if track.guard is None else 0
    try:
        if target is ReadTarget.SESSION:
            answer = await ask(session_api.session(track.session_id, known, talk.window, talk.digest))
            now = _clock.now()
            if answer is UNCHANGED:
                track.record_unchanged(now)
                return Change.NOTHING, now
            change = track.record_session(answer.data, asked=asked, now=now, digest=answer.digest)
            if talk.window is answer.data.messages:
                talk.digest = answer.window
            return change, now
        if target is ReadTarget.VIDEO and track.video_id is not None:
            video = (await ask(video_api.video(track.video_id))).data
            change = track.record_video(video, asked=asked, now=(now := _clock.now()))
        else:
            videos = (await ask(session_api.session_videos(track.session_id))).data
            change = track.record_videos(videos, asked=asked, now=(now := _clock.now()))
    except NotFound as error:
        now = _clock.now()
        change = track.record_missing(target, now=now) if error.from_service else Change.GONE
        if Change.GONE in change:  # also where it is a page of something in between, which says nothing
            error.add_note(f"Session: {track.session_id}")
            raise
    if Change.GONE in change:  # its list of videos is there, and empty
        problem = f"The service has neither session {track.session_id} nor a video of it."
        lost = NotFound(problem, status=HTTPStatus.NOT_FOUND, code="not_found")
        lost.add_note(f"Session: {track.session_id}")
        raise lost
    return change, now


# ---- many with one request ----------------------------------------------------------------------------------------

_SINGLE_POLLS_APART = 10.0  # seconds between the polls of one of many on its own
_ENDED = frozenset(status for status in VideoStatus if status.is_terminal)
_LONG_UNREAD = 60.0  # seconds without a poll of its own after which a session gets one


class BulkPoller:
    """
    Polls videos in groups.

    Attributes:
        share: The number of sessions that shared the last poll; 0 where the service lacks the endpoint.
    """

    def __init__(self, api: ApiClient) -> None:
        self.share = 1
        self._api = api
        self._single_at = 0.0

    async def poll(self, batch: Sequence[WatchedSession]) -> float:
        """
        Poll up to 100 sessions, and return when; those that may have moved must then be polled on their own.

        Raises:
            TransportError: The service could not be asked.
            APIError: The service refused for now.
        """
        at_work: Collection[str | None] | None = ()
        if self.share:  # else queued before it was known that there is no such endpoint
            self._api.counters.bulk_polls += 1
            self.share = len(batch)
            try:
                at_work = await self._read_at_work(batch)
            except (APIError, InvalidArgument) as error:
                self._record_refusal(error)
        now = _clock.now()
        for session in batch:
            track = session.track
            if at_work is None or track.video_id in at_work:
                track.record_unchanged(now)
            else:
                session.unshared_video, session.is_single = track.video_id, True
            # This poll shows no progress; whether there is any, a poll of its own shows.
            if not session.is_quiet and session.stalls_at <= now:
                session.is_single = True
        if now - self._single_at >= _SINGLE_POLLS_APART and (
            unread := [one for one in batch if now - one.polled_at >= _LONG_UNREAD and not one.is_single]
        ):
            self._single_at = now
            min(unread, key=lambda session: session.polled_at).is_single = True
        return now

    async def _read_at_work(self, batch: Sequence[WatchedSession]) -> Collection[str | None] | None:
        """Return the videos that are still being made; None when the answer is that of the last time."""
        batch = batch if isinstance(batch, PollBatch) else PollBatch(batch)
        call = batch.call or video_api.statuses([session.track.video_id or "" for session in batch])
        answer = await self._api.attempt(call)
        if answer is UNCHANGED:
            return None
        batch.call = structs.replace(call, known=answer.digest)
        return {row.video_id for row in answer.data if row.status not in _ENDED}

    def _record_refusal(self, error: APIError | InvalidArgument) -> None:
        if isinstance(error, InvalidArgument) or (isinstance(error, InvalidRequest) and error.from_service):
            return  # one of the ids is not taken, so none of these sessions shares its polls
        if not isinstance(error, NotFound | Forbidden) and error.status != HTTPStatus.METHOD_NOT_ALLOWED:
            raise error
        self.share = 0
