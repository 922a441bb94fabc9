"""When each fault strikes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ...errors import InvalidArgument
from ...errors._arguments import check_choice, check_count, check_number, check_type, given, list_of
from .._http import Exchange, HttpResponse
from .._service.operations import OPERATIONS
from .registry import AFTER, BEFORE, FAULTS, SESSION, WEBHOOK, WEBHOOKS, Fault

if TYPE_CHECKING:
    from .._service.timeline import SessionSnapshot, SimulatedSession
    from .._service.webhook_queue import PlannedWebhook, QueuedWebhook


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
    def is_unprocessed(self) -> bool:
        """Whether the service never gets to work on the request."""
        processed = self.fault.may_be_processed and self.params.get("processed") is True
        return self.fault.stage == "before" and not processed

    def replace_answer(self, now: float) -> Exchange:
        """Return what comes back in place of an answer."""
        self.used += 1
        return replace(BEFORE[self.fault.name](self.params, now), fault=self.fault.name)

    def spoil(self, answer: HttpResponse, rng: random.Random) -> Exchange:
        """Return what becomes of an answer."""
        spoiled = AFTER[self.fault.name](answer, self.params, rng)
        if spoiled is None:
            return Exchange(answer)
        self.used += 1
        exchange = spoiled if isinstance(spoiled, Exchange) else Exchange(spoiled)
        return replace(exchange, fault=self.fault.name)

    def change(self, session: SimulatedSession, before: SessionSnapshot | None, now: float) -> bool:
        """Change a session for good; return whether there was something to change."""
        has_changed = SESSION[self.fault.name](session, self.params, before, now)
        self.used += has_changed
        return has_changed

    def plan(self, webhook: QueuedWebhook) -> list[PlannedWebhook]:
        """Return what is delivered in place of a webhook."""
        self.used += 1
        return WEBHOOKS[self.fault.name](webhook, self.params)


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
        check_type(int, "a whole number", seed=self.seed)
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
            InvalidArgument: No such fault or operation, or the fault cannot strike there or after processing.
        """
        check_count(0, after=after, **given(times=times))
        fault = _known(name, on)
        if params.get("processed") and not fault.may_be_processed:
            others = ", ".join(other.name for other in FAULTS.values() if other.may_be_processed)
            raise InvalidArgument(
                "processed", f"is for {others}, not for {name}, which always means the same"
            )
        self._rules.append(Rule(fault, on, times, after, params))

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
            InvalidArgument: No such fault.
        """
        check_number(0, math.nextafter(1, 2), rate=rate)
        check_type(int, "a whole number", seed=seed)
        survivable = [name for name, fault in FAULTS.items() if fault.survivable]
        names = survivable if only is None else list_of("only", only)
        for name in names:
            check_choice(tuple(FAULTS), only=name)
        self._mix = Mix(rate, names, random.Random(seed))

    def parse(self, text: str) -> None:
        """
        Add the faults of a command line: `name[:on[:times]]` or `mix:rate`, separated by commas; times `*` for always.

        Raises:
            InvalidArgument: The text has another form.
        """
        check_type(str, "a string", text=text)
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
    if name not in FAULTS:
        raise InvalidArgument("name", f"must be a fault, one of {', '.join(FAULTS)}; not {name!r}")
    if on is not None and on not in OPERATIONS | WEBHOOK:
        names = ", ".join(sorted(OPERATIONS | WEBHOOK))
        raise InvalidArgument("on", f"must be an operation, one of {names}; not {on!r}")
    if on is not None and on not in FAULTS[name].on:
        names = ", ".join(sorted(FAULTS[name].on))
        raise InvalidArgument("on", f"must be what {name} can strike, one of {names}; not {on!r}")
    return FAULTS[name]
