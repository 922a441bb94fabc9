"""
Webhooks on their way: what is to be sent to whom, and when.

No socket and no clock here either: whoever carries them asks for what is due and tells how it was received. Real
deliveries are not documented further than their form; that they are tried four times is this simulator's choice.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._faults.schedule import Faults, Rule
    from .._http import JsonObject
    from .ledger import Ledger
    from .state import ServiceState
    from .timeline import Run, Session

RETRIES_AFTER = (5.0, 30.0, 120.0)
_OK = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """
    One attempt to deliver one event, ready to be posted.

    Attributes:
        url: Where to.
        headers: With the signature, if the address is a registered endpoint.
        body: The event as JSON.
        event_id: The same at every attempt.
        event_type: Such as `video_agent.success`.
        attempt: 1 for the first.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    event_id: str
    event_type: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """What becomes a notice when it goes out: its signature and its time are made then."""

    url: str
    event: JsonObject
    secret: str | None
    attempt: int = 1
    bare: bool = False

    def notice(self, now: float) -> Notice:
        body = json.dumps(self.event, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "user-agent": "HeyGen-Webhook"}
        if self.secret is not None:
            signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            headers |= {"signature": signature} if self.bare else self._signed(signature, now)
        return Notice(
            url=self.url,
            headers=headers,
            body=body,
            event_id=str(self.event["event_id"]),
            event_type=str(self.event["event_type"]),
            attempt=self.attempt,
        )

    def _signed(self, signature: str, now: float) -> dict[str, str]:
        return {
            "heygen-signature": signature,
            "heygen-timestamp": str(int(now)),
            "heygen-event-id": str(self.event["event_id"]),
        }


@dataclass(slots=True)
class Outbox:
    """What is to be sent, by the moment it is due."""

    _ends: list[tuple[float, int, Session, Run]] = field(
        default_factory=list["tuple[float, int, Session, Run]"]
    )
    _letters: list[tuple[float, int, _Letter]] = field(default_factory=list[tuple[float, int, _Letter]])
    _held: dict[str, _Letter] = field(default_factory=dict[str, _Letter])
    _out: dict[tuple[str, str, int], _Letter] = field(default_factory=dict[tuple[str, str, int], _Letter])
    _order: Iterator[int] = field(default_factory=itertools.count)

    def expect(self, session: Session) -> None:
        """Look out for the end of a session's newest run."""
        run = session.runs[-1]
        ends_at = session.ends_at(run)
        if ends_at < math.inf:
            heapq.heappush(self._ends, (ends_at, next(self._order), session, run))

    def next_at(self) -> float:
        """Return when something is due; infinity for never."""
        return min((heap[0][0] for heap in (self._ends, self._letters) if heap), default=math.inf)

    def take(self, world: ServiceState, faults: Faults, now: float) -> list[Notice]:
        """Return what is due by `now`, each once."""
        while self._ends and self._ends[0][0] <= now:
            at, _, session, run = heapq.heappop(self._ends)
            if session.ends_at(run) == at:  # or it was stopped, or hangs, meanwhile
                self._announce(world, faults, ending(session, run, at), session, at)
        due: list[Notice] = []
        while self._letters and self._letters[0][0] <= now:
            letter = heapq.heappop(self._letters)[2]
            notice = letter.notice(now)
            self._out[notice.url, notice.event_id, notice.attempt] = letter
            due.append(notice)
        return due

    def answered(self, notice: Notice, status: int, ledger: Ledger, now: float, speed: float) -> None:
        """Note how a notice was received, 0 for not at all; it goes out again unless that was well."""
        ledger.record_delivery(notice.event_type, status)
        letter = self._out.pop((notice.url, notice.event_id, notice.attempt), None)
        if letter is not None and status not in _OK and letter.attempt <= len(RETRIES_AFTER):
            after = RETRIES_AFTER[letter.attempt - 1] / speed
            self._post(replace(letter, attempt=letter.attempt + 1), now + after)

    def _announce(
        self, world: ServiceState, faults: Faults, event: JsonObject, session: Session, at: float
    ) -> None:
        """Send an event to all who want it."""
        name = event["event_type"]
        letters = [
            _Letter(url=endpoint.url, event=event, secret=endpoint.secret)
            for endpoint in world.endpoints.values()
            if endpoint.events is None or name in endpoint.events
        ]
        if session.callback_url is not None:
            letters.append(_Letter(url=session.callback_url, event=event, secret=None))
        for letter in letters:
            rule = next(faults.strikes("webhook"), None)
            if rule is None:
                self._post(letter, at)
            else:
                rule.used += 1
                world.ledger.faults[rule.fault.name] += 1
                self._disturb(letter, rule, at)

    def _disturb(self, letter: _Letter, rule: Rule, at: float) -> None:
        given = rule.params.get("seconds")
        seconds = float(given) if isinstance(given, int | float) else None
        match rule.fault.name:
            case "webhook_late":
                self._post(letter, at + (60.0 if seconds is None else seconds))
            case "webhook_twice":
                self._post(letter, at)
                self._post(letter, at + (1.0 if seconds is None else seconds))
            case "webhook_overtaken":
                self._held[letter.url] = letter
            case "webhook_forged":
                self._post(replace(letter, event=_opposite(letter.event), secret="not-the-secret"), at)
                self._post(letter, at + (1.0 if seconds is None else seconds))
            case "webhook_bare":
                self._post(replace(letter, bare=True), at)
            case _:  # webhook_lost
                pass

    def _post(self, letter: _Letter, at: float) -> None:
        heapq.heappush(self._letters, (at, next(self._order), letter))
        held = self._held.pop(letter.url, None)
        if held is not None:
            self._post(held, at + 0.5)


def ending(session: Session, run: Run, at: float) -> JsonObject:
    """Return the event of a run's end."""
    done = run.steps[-1].status == "completed"
    data: JsonObject = {
        "session_id": session.session_id,
        "video_id": run.video_id,
        "callback_id": session.callback_id,
    }
    if not done:
        data["msg"] = session.scenario.failure_reason
    return {
        "event_id": f"evt_{session.session_id}_{run.number + 1}",
        "event_type": "video_agent.success" if done else "video_agent.fail",
        "event_data": data,
        "created_at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _opposite(event: JsonObject) -> JsonObject:
    """Return the lie about an event."""
    lie = "fail" if str(event["event_type"]).endswith("success") else "success"
    return {**event, "event_id": f"{event['event_id']}_x", "event_type": f"video_agent.{lie}"}
