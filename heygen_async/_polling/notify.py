"""
From an event to the polls it is worth: `HeyGen.notify`.

Of an event only the id of its session or video is used; what became of that, the poll finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _clock
from ..errors import ClientStateError
from ..errors._arguments import check_type
from ..webhooks import UnverifiedEvent, WebhookEvent
from .webhook_signals import EventSignals

if TYPE_CHECKING:
    from .._http.client import ApiClient
    from .scheduler import PollScheduler
    from .watched import WatchedSession

# Seconds; anybody can send unverified events, and each search visits all that is watched.
_SEARCHES_APART = 0.1


class EventNotifier:
    """Brings polls forward for one client."""

    def __init__(self, api: ApiClient, scheduler: PollScheduler) -> None:
        self._api = api
        self._scheduler = scheduler
        self._searched_at = float("-inf")
        scheduler.on_event = self._receive

    def take(self, event: WebhookEvent | UnverifiedEvent) -> bool:
        """
        Have the session of an event polled; return whether it is watched.

        Raises:
            InvalidArgument: It is no event.
            ClientStateError: This is not the client's event loop.
        """
        check_type(WebhookEvent | UnverifiedEvent, "what verify() or parse_unverified() gave", event=event)
        loop = self._api.loop
        if self._api.is_closed or loop is None or loop.is_closed():
            return False
        if not _clock.is_running(loop):
            raise ClientStateError(
                "notify() was called outside the client's event loop.",
                hint="From another thread: loop.call_soon_threadsafe(heygen.notify, event).",
            )
        self._scheduler.follow()
        verified = isinstance(event, WebhookEvent)
        self._scheduler.sharing.announce_event(event.session_id, event.video_id, verified=verified)
        return self._receive(event.session_id, event.video_id, verified=verified)

    def _receive(self, session_id: str | None, video_id: str | None, *, verified: bool) -> bool:
        """Take an event that reached this process or another one."""
        now = _clock.now()
        if verified:
            self._scheduler.planner.webhooks.excuse((session_id, video_id), now)
        found: list[WatchedSession] = []
        sessions = self._scheduler.sessions
        if session_id in sessions:
            found = [sessions[session_id]]
        elif video_id is not None and (verified or now - self._searched_at >= _SEARCHES_APART):
            self._searched_at = now
            found = [session for session in sessions.values() if session.track.video_id == video_id]
        for session in found:
            if session.failures and not verified:
                continue  # a client that waits for a service in trouble is not hurried by strangers
            session.signals, session.batch = session.signals or EventSignals(), None
            moment = session.signals.record(now, session.polled_at, verified=verified)
            self._scheduler.poll_by(session, moment, now)
        return bool(found)
