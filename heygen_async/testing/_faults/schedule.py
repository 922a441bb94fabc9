"""Which faults there are, and when each strikes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .._service.operations import OPERATIONS

Stage = Literal["before", "after", "session", "webhook"]

FILES = frozenset({"media", "upload"})
API = OPERATIONS - FILES
WRITES = frozenset(
    {"create", "send", "stop", "asset_upload", "direct_upload", "complete", "endpoint_create", "rotate"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One kind of failure.

    Attributes:
        name: What `simulator.faults.add()` calls it.
        where: Where in the exchange it happens.
        what: What goes wrong, in one sentence.
        stage: `before` the service processed the request, `after`, to the `session` for good, or to a `webhook`.
        on: The operations it can strike.
        survivable: Whether a careful client gets through; `mix()` draws only from these.
    """

    name: str
    where: str
    what: str
    stage: Stage
    on: frozenset[str] = OPERATIONS
    survivable: bool = True


_GET = frozenset({"get"})
_LIFE = frozenset({"create", "get"})
_BULK = frozenset({"statuses"})
_SEND = frozenset({"send"})
_FILE = frozenset({"media"})
_STATUS = frozenset({"create", "get", "video", "statuses"})
_HOOK = frozenset({"webhook"})  # not an operation: what the service does by itself

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("connect_refused", "connection", "Never connected; on a socket a reset, unprocessed.", "before"),
        Fault("reset_before", "connection", "Accepted, then reset; not processed.", "before"),
        Fault("silence_before", "connection", "Accepted, then nothing at all; not processed.", "before"),
        Fault("reset_after_processing", "connection", "Processed, then reset before any answer.", "after"),
        Fault("silence", "connection", "Processed, headers sent, then nothing.", "after"),
        Fault("cut_length", "body", "Processed; half of the announced Content-Length, then the end.", "after"),
        Fault("cut_chunked", "body", "Processed; a chunked body that ends without its last chunk.", "after"),
        Fault("trickle", "body", "Processed; the body comes at one byte a second.", "after"),
        Fault("slow", "service", "Processed; the answer starts `seconds` later (5).", "after"),
        Fault("oversized", "body", "Processed; a JSON body of 20 MB.", "after", API),
        Fault("bad_gzip", "body", "Processed; announced as gzip, but it is not.", "after", API),
        Fault("gateway_html", "gateway", "502 with an HTML page; `processed` (False).", "before"),
        Fault("error_500", "service", "500 in the error envelope; `processed` (False).", "before"),
        Fault("error_500_plain", "service", "500 without envelope; `processed` (False).", "before"),
        Fault("error_200", "service", "200 with `error`: `variant` full, code_only, empty, numeric.", "before", API),
        Fault("json_null", "body", "Processed; the body is `null`.", "after", API),
        Fault("json_array", "body", "Processed; the body is `[]`.", "after", API),
        Fault("json_scalar", "body", "Processed; the body is `7`.", "after", API),
        Fault("missing_data", "body", "Processed; an object without `data`.", "after", API),
        Fault("wrong_types", "body", "Processed; every value inside `data` has another type.", "after", API),
        Fault("unknown_status", "body", "Processed; the status is `word` (processing).", "after", _STATUS),
        Fault("rate_limit", "service", "429; `retry_after` seconds (2), date, absurd, missing.", "before"),
        Fault("unauthorized_once", "service", "401, as for an expired token.", "before", API, survivable=False),
        Fault("payment_required", "service", "402 insufficient_credit.", "before", API, survivable=False),
        Fault("forbidden", "service", "403 forbidden.", "before", survivable=False),
        Fault("in_progress", "service", "409 request_in_progress with Retry-After; not processed.", "before", WRITES),
        Fault("redirect_other_origin", "gateway", "302 to `location` on another origin.", "before", survivable=False),
        Fault("statuses_missing", "service", "The bulk call answers `status` 404, 403 or 405.", "before", _BULK),
        Fault("stale_status", "session", "For `polls` (2) reads after a send the old state shows.", "session", _SEND),
        Fault("status_backwards", "body", "One read shows `thinking` again.", "after", _GET),
        Fault("progress_back", "body", "One read shows `by` (30) less progress.", "after", _GET),
        Fault("many_messages", "session", "The agent says `count` (45) things between two reads.", "session", _GET),
        Fault("duplicate_messages", "body", "One read shows every message twice.", "after", _GET),
        Fault("reordered_messages", "body", "One read shows the messages in random order.", "after", _GET),
        Fault("null_failure", "session", "A failure has null fields and a silent agent.", "session", _LIFE),
        Fault("session_gone", "session", "Reads answer 404 as soon as the session has a video_id.", "session", _LIFE),
        Fault("early_404", "session", "The first `polls` (2) reads answer 404.", "session", frozenset({"create"})),
        Fault("video_lags", "session", "Videos are ready `seconds` (30) after the session.", "session", _LIFE),
        Fault("stuck_thinking", "session", "The session thinks for ever.", "session", _LIFE, survivable=False),
        Fault("clock_skew", "session", "`created_at` is off by `seconds` (300).", "session", _LIFE),
        Fault("cut_after", "body", "`bytes` (1000) of the file come, then the end.", "after", _FILE),
        Fault("dead_link", "body", "`bytes` (1000) of the file come, then the end; the link is dead.", "after", _FILE),
        Fault("stall_after", "body", "`bytes` (1000) of the file come, then nothing.", "after", _FILE),
        Fault("slow_file", "body", "The file comes at `rate` bytes a second (1000).", "after", _FILE),
        Fault("expired_link", "service", "403, as for an expired link.", "before", FILES, survivable=False),
        Fault("webhook_lost", "webhook", "A delivery never comes.", "webhook", _HOOK),
        Fault("webhook_late", "webhook", "A delivery comes `seconds` (60) late.", "webhook", _HOOK),
        Fault("webhook_twice", "webhook", "A delivery comes again after `seconds` (1).", "webhook", _HOOK),
        Fault("webhook_overtaken", "webhook", "A delivery waits until the next one has gone.", "webhook", _HOOK),
        Fault("webhook_forged", "webhook", "A forged delivery comes `seconds` (1) before it.", "webhook", _HOOK),
        Fault("webhook_bare", "webhook", "The header is `Signature`, and there is no time.", "webhook", _HOOK),
    )
}  # fmt: skip


# Only these leave open whether the request was processed; a refusal that was obeyed would be a lie.
AMBIGUOUS = frozenset({"gateway_html", "error_500", "error_500_plain", "error_200"})


@dataclass(slots=True)
class Rule:
    """One order to fail: what, on what, how often, after how many that pass."""

    fault: Fault
    on: str | None
    times: int | None
    after: int
    params: Mapping[str, object]
    seen: int = 0
    used: int = 0

    def ready(self, operation: str) -> bool:
        """Count a request; return whether the rule strikes it."""
        if self.on not in {None, operation} or operation not in self.fault.on:
            return False
        self.seen += 1
        return self.seen > self.after and (self.times is None or self.used < self.times)

    @property
    def unprocessed(self) -> bool:
        """Whether the service never gets to work on the request."""
        processed = self.fault.name in AMBIGUOUS and self.params.get("processed") is True
        return self.fault.stage == "before" and not processed


@dataclass(slots=True)
class Mix:
    """Random failures at a rate."""

    rate: float
    names: list[str]
    random: random.Random

    def draw(self, operation: str) -> Rule | None:
        """Return a rule for this request alone, or None."""
        if self.random.random() >= self.rate:
            return None
        fits = [FAULTS[name] for name in self.names if operation in FAULTS[name].on]
        if not fits:
            return None
        fault = self.random.choice(fits)
        params: dict[str, object] = {"processed": True} if self.random.random() < 0.5 else {}
        return Rule(fault, operation, 1, 0, params)


@dataclass(slots=True)
class Faults:
    """The orders to fail that are in force, oldest first; at most one strikes the wire of one exchange."""

    seed: int = 0
    _rules: list[Rule] = field(default_factory=list[Rule])
    _mix: Mix | None = None
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def add(
        self, name: str, *, on: str | None = None, times: int | None = 1, after: int = 0, **params: object
    ) -> None:
        """
        Make a fault strike.

        Args:
            name: One of `FAULTS`.
            on: The operation it strikes, as the ledger names it; None for any that it can strike.
            times: How often; None for always. A fault of a session counts sessions (`stale_status`: messages).
            after: How many requests of that operation pass first.
            **params: What the fault's line in `FAULTS` names.

        Raises:
            ValueError: No such fault or operation, or the fault cannot strike there or after processing.
        """
        if params.get("processed") and name in FAULTS and name not in AMBIGUOUS:
            message = f"{name!r} always means the same; 'processed' is for: {', '.join(sorted(AMBIGUOUS))}."
            raise ValueError(message)
        self._rules.append(Rule(_known(name, on), on, times, after, params))

    def clear(self) -> None:
        """Let everything succeed from now on; what faults did to sessions stays."""
        self._rules.clear()
        self._mix = None

    def mix(self, rate: float = 0.1, seed: int = 1, only: tuple[str, ...] | None = None) -> None:
        """
        Let faults strike at random.

        Args:
            rate: Share of exchanges struck, 0 to 1.
            seed: The same seed and the same requests give the same faults.
            only: The faults to draw from; None for all that a careful client survives.

        Raises:
            ValueError: No such fault.
        """
        names = (
            list(only) if only is not None else [name for name, fault in FAULTS.items() if fault.survivable]
        )
        for name in names:
            _known(name, None)
        self._mix = Mix(rate, names, random.Random(seed))

    def parse(self, text: str) -> None:
        """
        Add what a command line says: `name[:on[:times]]` or `mix:rate`, separated by commas; times `*` for always.

        Raises:
            ValueError: The text says something else.
        """
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, on, times, *_ = [*item.split(":"), "", ""]
            if name == "mix":
                self.mix(float(on or 0.1), seed=self.seed + 1)
            else:
                self.add(
                    name,
                    on=on if on not in {"", "*"} else None,
                    times=None if times == "*" else int(times or 1),
                )

    def strikes(self, operation: str) -> Iterator[Rule]:
        """Yield the rules that strike this request: all that touch its session, and one that touches the wire."""
        ready = [rule for rule in self._rules if rule.ready(operation)]
        drawn = self._mix.draw(operation) if self._mix else None
        if drawn is not None:
            ready.append(drawn)
        yield from (rule for rule in ready if rule.fault.stage == "session")
        yield from [rule for rule in ready if rule.fault.stage != "session"][:1]


def _known(name: str, on: str | None) -> Fault:
    fault = FAULTS.get(name)
    if fault is None:
        message = f"There is no fault {name!r}. Known: {', '.join(FAULTS)}."
        raise ValueError(message)
    if on is not None and on not in OPERATIONS | _HOOK:
        message = f"There is no operation {on!r}. Known: {', '.join(sorted(OPERATIONS | _HOOK))}."
        raise ValueError(message)
    if on is not None and on not in fault.on:
        message = f"{name!r} cannot strike {on!r}, only: {', '.join(sorted(fault.on))}."
        raise ValueError(message)
    return fault
