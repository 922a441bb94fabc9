"""
From an event to the looks it is worth: `HeyGen.notify`.

Nothing an event says is believed but which session it may be about; what became of that, the look finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _clock
from ..errors import ClientStateError, InvalidArgument
from ..webhooks import UnverifiedEvent, WebhookEvent
from .webhook_signals import EventSignals

if TYPE_CHECKING:
    from .._http.client import ApiClient
    from .queue import WatchedSession
    from .scheduler import PollScheduler

_SEARCHES_APART = 0.1  # seconds; anybody can send rumours, and each search goes through all that is watched


class EventNotifier:
    """Brings looks forward for one client."""

    __slots__ = ("_api", "_scheduler", "_searched_at")

    def __init__(self, api: ApiClient, scheduler: PollScheduler) -> None:
        self._api = api
        self._scheduler = scheduler
        self._searched_at = float("-inf")

    def take(self, event: WebhookEvent | UnverifiedEvent) -> bool:
        """
        Have what an event is about looked at; return whether anybody watches it.

        Raises:
            InvalidArgument: It is no event.
            ClientStateError: This is not the client's event loop.
        """
        if not isinstance(event, WebhookEvent | UnverifiedEvent):
            raise InvalidArgument("event", "must be what verify() or parse_unverified() returned")
        loop = self._api.loop
        if self._api.is_closed or loop is None or loop.is_closed():
            return False
        if not _clock.is_running(loop):
            raise ClientStateError(
                "notify() was called outside the client's event loop.",
                hint="From another thread: loop.call_soon_threadsafe(heygen.notify, event).",
            )
        self._scheduler.follow()
        now, verified = _clock.now(), isinstance(event, WebhookEvent)
        if verified:
            self._scheduler.experience.announced.excuse((event.session_id, event.video_id), now)
        found = self._watched(event, now, verified=verified)
        for record in found:
            self._hurry(record, now, verified=verified)
        return bool(found)

    def _watched(
        self, event: WebhookEvent | UnverifiedEvent, now: float, *, verified: bool
    ) -> list[WatchedSession]:
        records = self._scheduler.records
        record = records.get(event.session_id or "")
        if record is not None:
            return [record]
        if event.video_id is None or not (verified or now - self._searched_at >= _SEARCHES_APART):
            return []
        self._searched_at = now
        return [record for record in records.values() if record.track.video_id == event.video_id]

    def _hurry(self, record: WatchedSession, now: float, *, verified: bool) -> None:
        if record.failed_since is not None and not verified:
            return  # nobody unknown may hurry a client that waits for a service in trouble
        if record.heard is None:
            record.heard = EventSignals()
        moment = record.heard.note(now, record.polled_at, verified=verified)
        if not record.is_polling and moment < record.due:
            record.is_single = True
            self._scheduler.look_by(record, moment, now)
