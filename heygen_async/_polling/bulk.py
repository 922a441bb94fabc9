"""
Polls many rendering sessions with one request.

A session that renders moves only when its video ends, and the service reports the statuses of 100 videos at once.
That is a hint, not the authority: a session that may have ended is read on its own, and so is one of the others now
and then, since a session can stop or ask something while its video shows nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from .. import _clock
from .._api import videos as video_api
from .._api.calls import STATUS_IDS
from ..errors import APIError, Forbidden, InvalidArgument, InvalidRequest, NotFound
from ..models import VideoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._http.client import ApiClient
    from .watched import WatchedSession

WINDOW = 2.0  # seconds a poll may come early to share a request
MOST = STATUS_IDS
_SINGLE_POLLS_APART = 10.0  # seconds between the polls of one of many on its own
_LONG_UNREAD = 60.0  # seconds without a poll of its own after which a session gets one


class BulkPoller:
    """
    Polls videos in groups.

    Attributes:
        is_offered: Whether the service has the endpoint, as far as is known.
        share: The number of sessions that shared the last poll.
    """

    def __init__(self, api: ApiClient) -> None:
        self.is_offered = True
        self.share = 1
        self._api = api
        self._single_at = 0.0

    def share_of(self, session: WatchedSession) -> int:
        """Return how many sessions share the polls of this one; 0 for polls of its own."""
        return self.share if self.is_offered and session.is_shared else 0

    async def poll(self, batch: Sequence[WatchedSession]) -> None:
        """
        Poll up to 100 sessions; those that may have moved must then be polled on their own.

        Raises:
            TransportError: The service could not be asked.
            APIError: The service refused for now.
        """
        shown: dict[str | None, VideoStatus] = {}
        if self.is_offered:  # else queued before it was known that there is no such endpoint
            self._api.counters.bulk_polls += 1
            self.share = len(batch)
            ids = [session.track.video_id or "" for session in batch]
            try:
                shown = {
                    row.video_id: row.status
                    for row in (await self._api.attempt(video_api.statuses(ids))).data
                }
            except (APIError, InvalidArgument) as error:
                self._record_refusal(error)
        now = _clock.now()
        for session in batch:
            status = shown.get(session.track.video_id, VideoStatus.NOT_FOUND)
            if status is VideoStatus.NOT_FOUND:
                session.unshared_video = session.track.video_id
            if status not in _ENDED:
                session.track.record_unchanged(now)
            # This poll shows no progress; whether there is any, a poll of its own shows.
            session.is_single = status in _ENDED or session.is_stalled(now)
        self._poll_longest_unread([session for session in batch if not session.is_single], now)

    def _record_refusal(self, error: APIError | InvalidArgument) -> None:
        if isinstance(error, InvalidArgument) or (isinstance(error, InvalidRequest) and error.from_service):
            return  # one of the ids is not taken, so none of these sessions shares its polls
        if not isinstance(error, NotFound | Forbidden) and error.status != HTTPStatus.METHOD_NOT_ALLOWED:
            raise error
        self.is_offered = False

    def _poll_longest_unread(self, sessions: Sequence[WatchedSession], now: float) -> None:
        if not sessions or now - self._single_at < _SINGLE_POLLS_APART:
            return
        longest = min(sessions, key=lambda session: session.polled_at)
        if now - longest.polled_at >= _LONG_UNREAD:
            self._single_at = now
            longest.is_single = True


_ENDED = frozenset(status for status in VideoStatus if status.is_terminal)
