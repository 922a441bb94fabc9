"""What the service saw: created, billed, duplicated, polled, refused. Tests assert on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._http import Exchange, JsonObject


SHOWN_CHARACTERS = 80


@dataclass(slots=True, kw_only=True)
class CreateRecord:
    """
    One session that really came to be.

    Attributes:
        session_id: The session.
        prompt: Its prompt.
        idempotency_key: The key the request carried, whether or not it was honoured.
        created_at: When, in Unix seconds of the service's clock.
        replayed: How often the same answer was given again for the same key.
        fault: The fault the answer met on its way back, or None.
        fields: The body of the request.
    """

    session_id: str
    prompt: str
    idempotency_key: str | None
    created_at: float
    replayed: int = 0
    fault: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(slots=True, kw_only=True)
class MessageRecord:
    """
    One message that really reached a session.

    Attributes:
        session_id: The session.
        text: The message.
        idempotency_key: The key the request carried, whether or not it was honoured.
        sent_at: When, in Unix seconds of the service's clock.
        replayed: How often the same answer was given again for the same key.
        fault: The fault the answer met on its way back, or None.
        fields: The body of the request.
    """

    session_id: str
    text: str
    idempotency_key: str | None
    sent_at: float
    replayed: int = 0
    fault: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(slots=True)
class Ledger:
    """
    The books of the service, as of the newest exchange.

    Attributes:
        creates: Every session that came to be, in order.
        messages: Every message that reached a session, in order; the prompts are not among them.
        requests: Number of requests by operation and then by HTTP status; 0 stands for requests never processed.
        polls: Reads of each session.
        video_polls: Reads of each video.
        bulk_requests: Requests to the bulk status operation.
        refused: Number of refusals by error code.
        faults: Number of exchanges each fault touched.
        max_in_progress: Most sessions that were ever thinking or generating at once.
        key_leaks: Requests for media or storage that carried a credential.
        unmatched: Requests that met no route.
        stops: Sessions the caller asked to stop, in order.
        deliveries: Number of webhooks by event type and then by the receiver's answer; 0 stands for none.
    """

    _list_billed: Callable[[], list[str]]
    creates: list[CreateRecord] = field(default_factory=list[CreateRecord])
    messages: list[MessageRecord] = field(default_factory=list[MessageRecord])
    requests: dict[str, Counter[int]] = field(default_factory=dict[str, "Counter[int]"])
    polls: Counter[str] = field(default_factory=Counter[str])
    video_polls: Counter[str] = field(default_factory=Counter[str])
    bulk_requests: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    max_in_progress: int = 0
    key_leaks: list[str] = field(default_factory=list[str])
    unmatched: list[str] = field(default_factory=list[str])
    stops: list[str] = field(default_factory=list[str])
    deliveries: dict[str, Counter[int]] = field(default_factory=dict[str, "Counter[int]"])

    @property
    def sessions(self) -> list[str]:
        """Ids of all sessions that came to be, in order."""
        return [record.session_id for record in self.creates]

    @property
    def billed(self) -> list[str]:
        """Ids of the videos that were completed; a failed one is not charged."""
        return self._list_billed()

    @property
    def duplicate_creates(self) -> int:
        """Sessions beyond the first for one idempotency key: each is a video paid for twice."""
        return _beyond_first([record.idempotency_key for record in self.creates])

    @property
    def duplicate_messages(self) -> int:
        """Messages beyond the first for one session and idempotency key."""
        keys = [(r.session_id, r.idempotency_key) if r.idempotency_key else None for r in self.messages]
        return _beyond_first(keys)

    @property
    def total_requests(self) -> int:
        """All requests to the API and the media, those never processed included."""
        return sum(counter.total() for counter in self.requests.values())

    def __str__(self) -> str:
        """Describe what happened, a line for each create and message, and what was asked how often."""
        lines = [f"{len(self.creates)} sessions created, {len(self.billed)} videos billed"]
        lines += [f"  created {one.session_id}: {describe(one)}" for one in self.creates]
        lines += [f"  sent to {one.session_id}: {describe(one)}" for one in self.messages]
        for name, counter in sorted(self.requests.items()):
            answers = ", ".join(f"{status} x {count}" for status, count in _by_status(counter).items())
            lines.append(f"  requests of {name}: {answers}")
        for title, counts in (("refused", self.refused), ("faults", self.faults)):
            lines += [f"  {title}: {name} x {count}" for name, count in sorted(counts.items())]
        return "\n".join(lines)

    def record(self, operation: str, exchange: Exchange, code: str | None) -> None:
        """
        Enter one exchange.

        Args:
            operation: What was asked.
            exchange: What came of it.
            code: The error code, if it was refused.
        """
        self.requests.setdefault(operation, Counter())[exchange.response.status] += 1
        if code is not None:
            self.refused[code] += 1
        if exchange.fault is not None:
            self.faults[exchange.fault] += 1

    def record_delivery(self, event_type: str, status: int) -> None:
        """
        Enter one webhook.

        Args:
            event_type: What it told.
            status: How it was answered; 0 for not at all.
        """
        self.deliveries.setdefault(event_type, Counter())[status] += 1

    def as_json(self) -> JsonObject:
        """Return the books as plain JSON values, as `GET /_simulator/ledger` does."""
        return {
            "creates": [_row(record) for record in self.creates],
            "sessions": self.sessions,
            "messages": [_row(record) for record in self.messages],
            "duplicate_creates": self.duplicate_creates,
            "duplicate_messages": self.duplicate_messages,
            "billed": self.billed,
            "stops": list(self.stops),
            "polls": dict(self.polls),
            "video_polls": dict(self.video_polls),
            "bulk_requests": self.bulk_requests,
            "requests": {name: _by_status(counter) for name, counter in sorted(self.requests.items())},
            "total_requests": self.total_requests,
            "deliveries": {name: _by_status(counter) for name, counter in sorted(self.deliveries.items())},
            "refused": dict(self.refused),
            "faults": dict(self.faults),
            "max_in_progress": self.max_in_progress,
            "key_leaks": list(self.key_leaks),
            "unmatched": list(self.unmatched),
        }


def describe(record: CreateRecord | MessageRecord) -> str:
    """Return what was sent, in one line."""
    text = record.prompt if isinstance(record, CreateRecord) else record.text
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}\u2026"
    given = {name: value for name, value in record.fields.items() if name not in {"prompt", "message"}}
    return " ".join([repr(shown), *(f"{name}={value!r}" for name, value in given.items())])


def _row(record: CreateRecord | MessageRecord) -> JsonObject:
    return {name: getattr(record, name) for name in type(record).__slots__}


def _by_status(counter: Mapping[int, int]) -> dict[str, int]:
    return {str(status): count for status, count in sorted(counter.items())}


def _beyond_first(keys: list[str | None] | list[tuple[str, str] | None]) -> int:
    known = [key for key in keys if key is not None]
    return len(known) - len(set(known))
