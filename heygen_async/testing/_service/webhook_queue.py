"""
Webhooks on their way: what is sent where, and when.

There is no socket and no clock here. The caller asks for what is due and reports how it was received. Real deliveries
are not documented further than their form; that they are tried four times is this simulator's choice.
"""

from __future__ import annotations

import hashlib
import heapq
import hmac
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._http import JsonObject
    from .ledger import Ledger
    from .timeline import Run, SimulatedSession

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


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """A registered webhook endpoint."""

    endpoint_id: str
    url: str
    events: list[str] | None
    created_at: float
    secret: str

    def takes(self, event_type: str) -> bool:
        """Return whether the endpoint subscribes to these events."""
        return self.events is None or event_type in self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedWebhook:
    """An event for one address. It is signed and dated when it goes out."""

    url: str
    event: JsonObject
    secret: str | None
    attempt: int = 1
    bare: bool = False

    def sign(self, now: float) -> Notice:
        """Return what is posted at `now`."""
        body = json.dumps(self.event, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "user-agent": "HeyGen-Webhook"}
        if self.secret is not None:
            signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
            headers |= {"signature": signature} if self.bare else self._signature_headers(signature, now)
        return Notice(
            url=self.url,
            headers=headers,
            body=body,
            event_id=str(self.event["event_id"]),
            event_type=str(self.event["event_type"]),
            attempt=self.attempt,
        )

    def _signature_headers(self, signature: str, now: float) -> dict[str, str]:
        return {
            "heygen-signature": signature,
            "heygen-timestamp": str(int(now)),
            "heygen-event-id": str(self.event["event_id"]),
        }


@dataclass(frozen=True, slots=True)
class PlannedWebhook:
    """A webhook and the seconds until it goes out; None keeps it until the next one to that address has gone."""

    webhook: QueuedWebhook
    after: float | None = 0.0


Plan = Callable[[QueuedWebhook], list[PlannedWebhook]]


@dataclass(slots=True)
class WebhookQueue:
    """What is to be sent, by the time it is due."""

    _run_ends: list[tuple[float, int, SimulatedSession, Run]] = field(
        default_factory=list["tuple[float, int, SimulatedSession, Run]"]
    )
    _queue: list[tuple[float, int, QueuedWebhook]] = field(
        default_factory=list[tuple[float, int, QueuedWebhook]]
    )
    _held: dict[str, QueuedWebhook] = field(default_factory=dict[str, QueuedWebhook])
    _posted: dict[tuple[str, str, int], QueuedWebhook] = field(
        default_factory=dict[tuple[str, str, int], QueuedWebhook]
    )
    _order: Iterator[int] = field(default_factory=itertools.count)

    def expect(self, session: SimulatedSession) -> None:
        """Send webhooks at the end of a session's newest run."""
        run = session.runs[-1]
        ends_at = session.ends_at(run)
        if ends_at < math.inf:
            heapq.heappush(self._run_ends, (ends_at, next(self._order), session, run))

    def next_at(self) -> float:
        """Return when something is due; infinity for never."""
        return min((heap[0][0] for heap in (self._run_ends, self._queue) if heap), default=math.inf)

    def take(self, endpoints: Iterable[Endpoint], plan: Plan, now: float) -> list[Notice]:
        """
        Return what is due by `now`, each once.

        Args:
            endpoints: The registered endpoints.
            plan: What faults make of a webhook.
            now: Unix seconds.
        """
        registered = list(endpoints)
        while self._run_ends and self._run_ends[0][0] <= now:
            at, _, session, run = heapq.heappop(self._run_ends)
            if session.ends_at(run) == at:  # or it was stopped, or hangs, meanwhile
                for webhook in _webhooks_of(session, run, registered, at):
                    self._enqueue(plan(webhook), at)
        due: list[Notice] = []
        while self._queue and self._queue[0][0] <= now:
            webhook = heapq.heappop(self._queue)[2]
            notice = webhook.sign(now)
            self._posted[notice.url, notice.event_id, notice.attempt] = webhook
            due.append(notice)
        return due

    def record_answer(self, notice: Notice, status: int, ledger: Ledger, now: float, speed: float) -> None:
        """Record how a notice was received, 0 for not at all; it is sent again unless it succeeded."""
        ledger.record_delivery(notice.event_type, status)
        webhook = self._posted.pop((notice.url, notice.event_id, notice.attempt), None)
        if webhook is not None and status not in _OK and webhook.attempt <= len(RETRIES_AFTER):
            after = RETRIES_AFTER[webhook.attempt - 1] / speed
            self._push(replace(webhook, attempt=webhook.attempt + 1), now + after)

    def _enqueue(self, plan: list[PlannedWebhook], at: float) -> None:
        for planned in plan:
            if planned.after is None:
                self._held[planned.webhook.url] = planned.webhook
            else:
                self._push(planned.webhook, at + planned.after)

    def _push(self, webhook: QueuedWebhook, at: float) -> None:
        heapq.heappush(self._queue, (at, next(self._order), webhook))
        held = self._held.pop(webhook.url, None)
        if held is not None:
            self._push(held, at + 0.5)


def _webhooks_of(
    session: SimulatedSession, run: Run, endpoints: list[Endpoint], at: float
) -> Iterator[QueuedWebhook]:
    """Yield the event of a run's end for each address that takes it."""
    event = end_event(session, run, at)
    for endpoint in endpoints:
        if endpoint.takes(str(event["event_type"])):
            yield QueuedWebhook(url=endpoint.url, event=event, secret=endpoint.secret)
    if session.callback_url is not None:
        yield QueuedWebhook(url=session.callback_url, event=event, secret=None)


def end_event(session: SimulatedSession, run: Run, at: float) -> JsonObject:
    """Return the event of a run's end."""
    succeeded = run.steps[-1].status == "completed"
    data: JsonObject = {
        "session_id": session.session_id,
        "video_id": run.video_id,
        "callback_id": session.callback_id,
    }
    if not succeeded:
        data["msg"] = session.scenario.failure_reason
    return {
        "event_id": f"evt_{session.session_id}_{run.number + 1}",
        "event_type": "video_agent.success" if succeeded else "video_agent.fail",
        "event_data": data,
        "created_at": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
