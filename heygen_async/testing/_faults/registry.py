"""
What a fault is, and the decorators that make one of a function.

There is a decorator for each stage of an exchange. It names the fault and the operations it can strike; the docstring
of the function is the sentence in the table of faults.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from .._http import Exchange, HttpResponse
from .._service.operations import FILES, OPERATIONS
from .._service.timeline import SessionSnapshot, SimulatedSession
from .._service.webhook_queue import PlannedWebhook, QueuedWebhook

Stage = Literal["before", "after", "session", "webhook"]
Params = Mapping[str, object]
Replace = Callable[[Params, float], Exchange]
Spoil = Callable[[HttpResponse, Params, random.Random], Exchange | HttpResponse | None]
Change = Callable[[SimulatedSession, Params, SessionSnapshot | None, float], bool]
Deliver = Callable[[QueuedWebhook, Params], list[PlannedWebhook]]

API = OPERATIONS - FILES
WEBHOOK = frozenset({"webhook"})  # no operation: what the service does by itself


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One kind of failure.

    Attributes:
        name: What `simulator.faults.add()` calls it.
        what: What goes wrong, in one sentence; empty where Python runs without docstrings.
        stage: `before` the service processed the request, `after`, to the `session` for good, or to a `webhook`.
        on: The operations it can strike.
        survivable: Whether a careful client gets through; `mix()` draws only from these.
        may_be_processed: Whether `processed=True` makes the service process the request all the same.
    """

    name: str
    what: str
    stage: Stage
    on: frozenset[str] = OPERATIONS
    survivable: bool = True
    may_be_processed: bool = False


FAULTS: dict[str, Fault] = {}
BEFORE: dict[str, Replace] = {}
AFTER: dict[str, Spoil] = {}
SESSION: dict[str, Change] = {}
WEBHOOKS: dict[str, Deliver] = {}


def before(
    name: str,
    *,
    on: frozenset[str] = OPERATIONS,
    survivable: bool = True,
    may_be_processed: bool = False,
) -> Callable[[Replace], Replace]:
    """Register what comes back instead of an answer; (params, now) to an exchange."""

    def register(effect: Replace) -> Replace:
        FAULTS[name] = Fault(name, _sentence(effect), "before", on, survivable, may_be_processed)
        BEFORE[name] = effect
        return effect

    return register


def after(name: str, *, on: frozenset[str] = OPERATIONS, survivable: bool = True) -> Callable[[Spoil], Spoil]:
    """Register what becomes of an answer on its way back; None if there is nothing to spoil in it."""

    def register(effect: Spoil) -> Spoil:
        FAULTS[name] = Fault(name, _sentence(effect), "after", on, survivable)
        AFTER[name] = effect
        return effect

    return register


def session(name: str, *, on: frozenset[str], survivable: bool = True) -> Callable[[Change], Change]:
    """Register a lasting change of a session; it returns whether there was something to change."""

    def register(effect: Change) -> Change:
        FAULTS[name] = Fault(name, _sentence(effect), "session", on, survivable)
        SESSION[name] = effect
        return effect

    return register


def webhook(name: str) -> Callable[[Deliver], Deliver]:
    """Register what is delivered in place of a webhook, and when."""

    def register(effect: Deliver) -> Deliver:
        FAULTS[name] = Fault(name, _sentence(effect), "webhook", WEBHOOK)
        WEBHOOKS[name] = effect
        return effect

    return register


def number(params: Params, name: str, default: float) -> float:
    """Return a number the caller of `add()` gave, or its default."""
    value = params.get(name, default)
    return float(value) if isinstance(value, int | float) else default


def _sentence(effect: Callable[..., object]) -> str:
    return (effect.__doc__ or "").strip().partition("\n")[0]
