"""
The careful client in a conversation: what was read or delivered once is known, and an older snapshot changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from heygen_async import OutcomeUnknown, SessionStalled
from hostile.model import ATTEMPTS, LONGEST, ROOT, escaped, likeness

if TYPE_CHECKING:
    from hostile.model import Line

Row = dict[str, Any]

PAUSED: Final = ("reviewing", "waiting_for_input")
INTERVAL: Final = 3.0
STALE: Final = 600.0
SHOWN: Final = 40


@dataclass
class Snapshot:
    """One read of a session."""

    status: str
    rows: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])  # newest first

    @property
    def is_paused(self) -> bool:
        """Whether it says that the agent waits."""
        return self.status in PAUSED


class Talk:
    """One conversation."""

    def __init__(self, line: Line, session_id: str) -> None:
        self._line = line
        self._path = f"{ROOT}/{escaped(session_id)}"
        self._session_id = session_id
        self._known: set[tuple[str, str, int]] = set()
        self._newest = 0
        self._sent: list[str] = []
        self._wordless = 0
        self._most_wordless = 0
        self._answered_at = 0.0
        self._attempted_at = 0.0
        self._was_active = False
        self._has_shown_staleness = False
        self._shows_messages = False

    # -- reading --

    def _read(self) -> Snapshot | None:
        body = self._line.read(self._path)
        if body is None:
            return None
        rows = [(row["role"], row["content"], row["created_at"]) for row in body["data"]["messages"]]
        self._shows_messages |= bool(rows)
        return Snapshot(body["data"]["status"], rows)

    def _is_older(self, snapshot: Snapshot) -> bool:
        """Whether it lacks what is known, not because forty newer ones pushed it out."""
        newest_known = {row for row in self._known if row[2] == self._newest}
        is_beyond = self._is_beyond(snapshot, self._newest)
        return bool(newest_known) and not (newest_known & set(snapshot.rows)) and not is_beyond

    def _is_beyond(self, snapshot: Snapshot, moment: float) -> bool:
        """Whether all it shows is from after a moment of the service's time: what was before is pushed out."""
        is_full = len(snapshot.rows) >= SHOWN
        return is_full and all(row not in self._known and row[2] >= moment for row in snapshot.rows)

    def _is_after_ours(self, snapshot: Snapshot) -> bool:
        offset = self._line.offset
        since = self._newest if offset is None else self._attempted_at + offset + self._line.slack
        return self._is_beyond(snapshot, max(self._newest, since))

    def _has_ours(self, snapshot: Snapshot) -> bool:
        """Whether it contains what was sent last, or is so much newer that it is not among the newest forty."""
        if not self._sent:
            return True
        return self._contains(snapshot, self._sent[-1]) or self._is_after_ours(snapshot)

    def _contains(self, snapshot: Snapshot, text: str) -> bool:
        found = [likeness(row[1], text) for row in snapshot.rows if row[0] == "user"]
        is_wordless = found.count("unreadable") > max(1, self._wordless)  # the prompt is one of them
        return is_wordless or "same" in found or "similar" in found

    def _learn(self, snapshot: Snapshot) -> None:
        self._known.update(snapshot.rows)
        wordless = sum(row[0] == "user" and not row[1].strip() for row in snapshot.rows)
        self._most_wordless = max(self._most_wordless, wordless)
        self._newest = max([self._newest, *(row[2] for row in snapshot.rows)])

    def wait(self, timeout: float = 3600.0) -> str:
        """
        Return the status at which it settles.

        Raises:
            SessionStalled: The pause that was answered is all that is shown.
        """
        until = self._line.now + timeout
        while self._line.now < until:
            snapshot = self._read()
            if snapshot is not None and self._is_news(snapshot):
                self._learn(snapshot)
                return snapshot.status
            if self._sent and self._line.now > self._answered_at + STALE and not self._was_active:
                break
            self._line.now += INTERVAL
        raise SessionStalled("It does not move.", session_id=self._session_id)

    def _is_news(self, snapshot: Snapshot) -> bool:
        if self._is_older(snapshot):
            self._has_shown_staleness |= bool(self._sent)
            return False
        if snapshot.status in {"completed", "failed"}:
            return True
        has_ours = self._has_ours(snapshot) or not self._shows_messages
        if not snapshot.is_paused:
            self._was_active |= has_ours
            return False
        if not self._sent:
            return True
        self._has_shown_staleness |= not has_ours or not self._was_active
        if not has_ours:
            return False
        return self._was_active or (self._shows_messages and self._is_replied_to(snapshot))

    def _is_replied_to(self, snapshot: Snapshot) -> bool:
        return bool(snapshot.rows) and snapshot.rows[0][0] == "model" and snapshot.rows[0] not in self._known

    # -- answering --

    def send(self, text: str, key: str, **options: object) -> None:
        """
        Send something, once.

        Raises:
            OutcomeUnknown: It may have arrived.
        """
        began = self._line.now
        self._wordless = self._most_wordless
        for attempt in range(ATTEMPTS):
            if attempt and self._line.now > began + LONGEST:
                break
            made = self._line.write(self._path, {"message": text, **options}, key)
            if isinstance(made, float):
                self._line.now += made
            elif made is None and self._line.trusts_keys:
                continue
            elif made is not None or self._is_delivered(text, key, began):
                self._sent.append(text)
                self._was_active = False
                self._answered_at, self._attempted_at = self._line.now, began
                return
        raise self._doubt(key, began)

    def _is_delivered(self, text: str, key: str, began: float) -> bool:
        until = self._line.now + self._line.service.pace.settle
        has_gap = False
        is_blind = True
        while True:
            snapshot = self._read()
            if snapshot is not None and not self._is_older(snapshot):
                if not snapshot.is_paused or self._contains(snapshot, text):
                    return True
                has_gap |= self._is_beyond(snapshot, self._newest)
                is_blind &= not snapshot.rows
            if self._line.now >= until:
                break
            self._line.now += 1.0
        if has_gap or is_blind or self._has_shown_staleness:
            raise self._doubt(key, began)
        return False

    def _doubt(self, key: str, began: float) -> OutcomeUnknown:
        return OutcomeUnknown(
            "It may have arrived.",
            idempotency_key=key,
            started_at=datetime.fromtimestamp(began, UTC),
            candidates=(self._session_id,),
        )
