"""
What reads show of what is true: late, from another replica, in part, in other words.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from hostile import echo
from hostile.dials import DateHeader, Echo, Hides, ListLag, MessageLag, Offset, Replicas, Shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hostile.agent import Pace
    from hostile.dials import Dials
    from hostile.history import Message, Session, Video

NEWEST = 40
HOUR = 3600.0
SMALL_PAGE = 3

_OFFSETS = {
    Offset.NONE: 0.0,
    Offset.AHEAD_10_MIN: 600.0,
    Offset.BEHIND_10_MIN: -600.0,
    Offset.AHEAD_5_H: 5 * HOUR,
    Offset.BEHIND_5_H: -5 * HOUR,
}
_STALE = {Replicas.STALE_MINUTE: 60.0, Replicas.STALE_HOUR: HOUR}
_LAGS = {"none": 0.0, "short": 0.2, "below": 0.8, "beyond": 3.0}  # of settle_time


def lag(value: ListLag | MessageLag, settle: float) -> float:
    """Return the seconds of a lag."""
    is_hour = value in {ListLag.HOUR, MessageLag.HOUR}
    return HOUR if is_hour else _LAGS[value] * settle


class Views:
    """How one service shows its sessions."""

    def __init__(self, dials: Dials, pace: Pace) -> None:
        self._dials = dials
        self._pace = pace
        self._reads: Counter[str] = Counter()

    # -- time --

    def clock(self, at: float) -> int:
        """The service's own time, in whole seconds, as it writes all times."""
        return math.floor(at + _OFFSETS[self._dials.offset])

    @property
    def has_clock(self) -> bool:
        """Whether answers carry a `Date`."""
        return self._dials.date is DateHeader.SENT

    # -- one session --

    def session(self, session: Session, now: float) -> dict[str, object]:
        """One read of a session."""
        moment = self._moment(session, now)
        seen = session.messages_until(min(moment, now - lag(self._dials.message_lag, self._pace.settle)))
        status = session.status(moment)
        return {
            "session_id": session.id,
            "status": status,
            "created_at": self.clock(session.made_at),
            "progress": {"generating": 40, "completed": 100}.get(status, 0),
            "title": None,
            "video_id": session.video_id(moment),
            "messages": self._messages(seen),
        }

    def _moment(self, session: Session, now: float) -> float:
        replicas = self._dials.replicas
        self._reads[session.id] += 1
        if replicas is Replicas.FLIP and self._reads[session.id] % 2 == 0:
            return max(session.made_at, now - 2.5 * self._pace.settle)
        answered_at = session.last_answer_at(now)
        if replicas in _STALE and answered_at is not None and now < answered_at + _STALE[replicas]:
            return self._before_answer(session, now, _STALE[replicas])
        return now

    @staticmethod
    def _before_answer(session: Session, now: float, stale: float) -> float:
        # The answers that are still withheld; a replica stands just before the first of them.
        answers = [message.at for message in session.messages_until(now) if message.role == "user"][1:]
        return min(at for at in answers if now < at + stale) - 1e-6

    def _messages(self, messages: Iterable[Message]) -> list[dict[str, object]]:
        if self._dials.shown is Shown.NONE:
            return []
        rows = [row for message in messages for row in self._rows(message)]
        return rows[::-1][:NEWEST]

    def _rows(self, message: Message) -> list[dict[str, object]]:
        text = message.text
        if message.role == "user":
            text = echo.shown(text, self._dials.echo)
        texts = [text, *(message.attachments if self._dials.echo is Echo.ATTACHMENTS else ())]
        return [
            {
                "role": message.role,
                "content": text,
                "type": "text",
                "created_at": self.clock(message.at),
                "resource_ids": None,
            }
            for text in texts
        ]

    def video(self, video: Video, now: float) -> dict[str, object]:
        """One read of a video."""
        is_done = now >= video.done_at
        return {
            "id": video.id,
            "status": "completed" if is_done else "processing",
            "created_at": self.clock(video.ordered_at),
            "completed_at": self.clock(video.done_at) if is_done else None,
            "video_url": f"https://files.invalid/{video.id}.mp4" if is_done else None,
            "duration": 30.0 if is_done else None,
        }

    # -- the list --

    def listed(self, sessions: Iterable[Session], now: float) -> list[Session]:
        """The sessions that the list shows, newest first."""
        delay = lag(self._dials.list_lag, self._pace.settle)
        if self._dials.hides is Hides.LAST_MINUTE:
            delay = max(delay, 60.0)
        if self._dials.replicas is Replicas.FLIP:
            self._reads["the list"] += 1
            delay = max(delay, 2.5 * self._pace.settle * (self._reads["the list"] % 2 == 0))
        hides_incognito = self._dials.hides is Hides.INCOGNITO
        shown = [
            session
            for session in sessions
            if session.made_at + delay <= now and not (hides_incognito and session.is_incognito)
        ]
        return sorted(shown, key=lambda session: session.made_at, reverse=True)

    def page(self, sessions: list[Session], query: Mapping[str, str], now: float) -> dict[str, object]:
        """One page of the list, as its envelope; tokens are positions, so rows that move are skipped."""
        start = int(query.get("token") or 0)
        size = int(query.get("limit") or 20)
        if self._dials.hides is Hides.BOUNDARY:
            size = SMALL_PAGE
        rows = [self._row(session.id, session.made_at) for session in sessions[start : start + size]]
        if self._dials.hides is Hides.ENDLESS:
            places = range(max(start, len(sessions)), start + size)
            rows += [self._row(f"old{place}", now - HOUR - place) for place in places]
        has_more = self._dials.hides is Hides.ENDLESS or len(sessions) > start + size
        return {"data": rows, "has_more": has_more, "next_token": str(start + size) if has_more else None}

    def _row(self, session_id: str, made_at: float) -> dict[str, object]:
        return {"session_id": session_id, "title": None, "created_at": self.clock(made_at)}
