"""
Looks at many rendering sessions with one request.

A session that renders moves only when its video ends, and the service tells the statuses of 100 videos at once. That
is a hint, not the authority: whoever may have ended is read on its own, and so is one of the others now and then,
since a session can stop or ask something while its video says nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from .. import _clock
from .._api import videos as video_api
from ..errors import APIError, Forbidden, InvalidRequest, NotFound
from ..models import VideoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._http.client import ApiClient
    from .queue import WatchedSession

WINDOW = 2.0  # seconds a look may come early to share a request
MOST = video_api.STATUS_IDS
_OWN_LOOKS_APART = 10.0  # seconds between the looks at one of many on its own
_LONG_UNSEEN = 60.0  # seconds without a look of its own after which it is its turn


class BulkPoller:
    """
    Looks at videos in groups.

    Attributes:
        is_offered: Whether the service has the endpoint, as far as is known.
        share: The number of sessions that shared the last look.
    """

    def __init__(self, api: ApiClient) -> None:
        self.is_offered = True
        self.share = 1
        self._api = api
        self._own_look_at = 0.0

    def share_of(self, record: WatchedSession) -> int:
        """Return how many sessions share the looks at this one; 0 for looks of its own."""
        return self.share if self.is_offered and record.is_shared else 0

    async def look(self, batch: Sequence[WatchedSession]) -> list[WatchedSession]:
        """
        Look at up to 100 sessions; return those that must be looked at on their own now.

        Raises:
            TransportError: The service could not be asked.
            APIError: The service refused for now.
        """
        if not self.is_offered:
            return list(batch)  # entered before that was known
        self._api.counters.bulk_polls += 1
        self.share = len(batch)
        ids = [record.track.video_id or "" for record in batch]
        try:
            rows = (await self._api.attempt(video_api.statuses(ids))).data
        except InvalidRequest:
            return _set_apart(batch)
        except APIError as error:
            if not isinstance(error, NotFound | Forbidden) and error.status != HTTPStatus.METHOD_NOT_ALLOWED:
                raise
            self.is_offered = False
            return list(batch)
        now = _clock.now()
        told = {row.video_id: row.status for row in rows}
        unknown: list[WatchedSession] = []
        ended: list[WatchedSession] = []
        going_on: list[WatchedSession] = []
        for record in batch:
            status = told.get(record.track.video_id, _UNKNOWN)
            if status not in _ENDED:
                record.track.record_unchanged(now)
                # This look shows no progress, so whether there is any, its own will.
                is_stalled = not record.is_quiet and record.stalls_by(now)
                (ended if is_stalled else going_on).append(record)
            else:
                (unknown if status is _UNKNOWN else ended).append(record)
        return _set_apart(unknown) + ended + self._longest_unseen(going_on, now)

    def _longest_unseen(self, records: Sequence[WatchedSession], now: float) -> list[WatchedSession]:
        if not records or now - self._own_look_at < _OWN_LOOKS_APART:
            return []
        longest = min(records, key=lambda record: record.polled_at)
        if now - longest.polled_at < _LONG_UNSEEN:
            return []
        self._own_look_at = now
        return [longest]


_UNKNOWN = VideoStatus.NOT_FOUND
_ENDED = frozenset(status for status in VideoStatus if status.is_terminal)


def _set_apart(records: Sequence[WatchedSession]) -> list[WatchedSession]:
    for record in records:
        record.unshared_video = record.track.video_id
    return list(records)
