"""
Which rows are played: all pairs (or triples) of dials, and again all pairs where only the truth is right.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from hostile import evidence
from hostile.covering import Array
from hostile.dials import (
    DEFAULTS,
    VALUES,
    Dial,
    Dials,
    Echo,
    Hides,
    History,
    Keys,
    Leaving,
    Line,
    ListLag,
    MessageLag,
    Replicas,
    Shown,
    Symptom,
    Times,
    Trust,
    When,
    Write,
    settings,
)
from hostile.flows import WRITES, Flow
from hostile.play import KNOWS_TRUST, Row

# Dials that change nothing in a flow stay at rest in it.
IDLE: Final[Mapping[Flow, frozenset[str]]] = {
    Flow.CREATE: frozenset({"line", "write", "auto_proceed"}),
    Flow.SEND: frozenset({"line", "write", "auto_proceed", "list_lag", "hides", "history", "leaving"}),
    Flow.APPROVE: frozenset({"line", "write", "list_lag", "hides", "history", "leaving"}),
    Flow.CONVERSE: frozenset({"line"}),
    Flow.BATCH: frozenset({"line"}),
}
NEED_DONE: Final = (Symptom.EMPTY_ID, Symptom.UNUSABLE_ID, Symptom.ONLY_ID)
REPAIRS: Final[tuple[tuple[str, Dial], ...]] = (
    ("symptom", Symptom.LOST),
    ("when", When.AFTER),
    ("times", Times.TWICE),
    ("write", Write.SEND),
    ("write", Write.APPROVE),
    ("keys", Keys.ALWAYS),
    ("trust", Trust.YES),
    ("history", History.SEASONED),
)
INTENTS: Final[Mapping[Flow, tuple[str, ...]]] = {
    Flow.CREATE: ("create", "pause"),
    Flow.SEND: ("send", "pause"),
    Flow.APPROVE: ("approve", "video"),
    Flow.CONVERSE: ("create", "converse"),
    Flow.BATCH: ("job-1",),
}


# What takes seconds only.
QUICK: Final[Mapping[str, tuple[Dial, ...]]] = {
    "list_lag": (ListLag.NONE, ListLag.SHORT, ListLag.BELOW),
    "message_lag": (MessageLag.NONE, MessageLag.SHORT, MessageLag.BELOW),
    "replicas": (Replicas.ONE, Replicas.FLIP),
    "times": (Times.ONCE, Times.TWICE, Times.FIRST_ATTEMPT),
    "hides": (Hides.NOTHING, Hides.INCOGNITO, Hides.BOUNDARY, Hides.FAILING, Hides.ENDLESS),
    "history": (History.FRESH,),
    "leaving": (Leaving.AT_ONCE,),
    "line": tuple(Line),
}


def columns(flow: Flow) -> dict[str, tuple[Dial, ...]]:
    """Return the values each dial takes in a flow."""
    found = {name: values for name, values in VALUES.items() if name not in IDLE[flow]}
    if "write" in found:
        found["write"] = WRITES[flow]
    if flow is Flow.CREATE:
        found["replicas"] = (Replicas.ONE, Replicas.FLIP)  # the others are stale after messages
    return found


def row_of(flow: Flow, chosen: Mapping[str, Dial]) -> Row:
    """Return the row with these values, all other dials at rest."""
    dials = dict(DEFAULTS)
    dials["write"] = WRITES[flow][0]
    return Row(flow, Dials(**(dials | dict(chosen))))  # type: ignore[arg-type]


def is_sensible(row: Row) -> bool:
    """Whether each dial that is turned makes a difference."""
    dials = row.dials
    return _breaks_sensibly(dials) and _is_for_creates(dials) and _is_for_words(dials)


def _breaks_sensibly(dials: Dials) -> bool:
    if dials.symptom is Symptom.NONE:
        at_rest = dials.when is When.BEFORE and dials.times is Times.ONCE
        return at_rest and dials.trust is Trust.NO
    if dials.symptom in NEED_DONE and dials.when is When.BEFORE:
        return False
    return dials.trust is Trust.NO or evidence.is_honoured(dials, dials.write)


def _is_for_creates(dials: Dials) -> bool:
    """The list, what the client did before and when it leaves matter to lost creates only."""
    if dials.write is Write.CREATE:
        return dials.hides is not Hides.LAST_MINUTE or dials.list_lag is ListLag.NONE
    return (
        dials.list_lag is ListLag.NONE
        and dials.hides is Hides.NOTHING
        and dials.history is History.FRESH
        and dials.leaving is Leaving.LATER
    )


def _is_for_words(dials: Dials) -> bool:
    is_silent = dials.shown is Shown.NONE
    return not is_silent or (dials.echo is Echo.EXACT and dials.message_lag is MessageLag.NONE)


def is_clear(row: Row) -> bool:
    """Whether only the truth is right in this row."""
    return all(evidence.of(row, intent) == evidence.CLEAR for intent in INTENTS[row.flow])


def covering(
    flow: Flow,
    strength: int = 2,
    *,
    seed: int = 1,
    clear: bool = False,
    fixed: Mapping[str, Dial] = MappingProxyType({}),
) -> list[Row]:
    """Return rows in which every possible pair (or triple) of values occurs; of the clear ones only, if asked."""

    def accepts(chosen: Mapping[str, Dial]) -> bool:
        row = row_of(flow, chosen)
        return is_sensible(row) and (not clear or is_clear(row))

    values = {name: (fixed[name],) if name in fixed else some for name, some in columns(flow).items()}
    array = Array(values, accepts, strength, random.Random(seed), REPAIRS)
    return [row_of(flow, chosen) for chosen in array.rows()]


def over_sockets(seed: int = 1) -> list[Row]:
    """Return a few dozen rows that take seconds: every way to break, at every write, with other dials as they come."""
    rng = random.Random(seed)
    rows: list[Row] = []
    for flow in (Flow.CREATE, Flow.SEND, Flow.APPROVE):
        values = columns(flow) | {name: QUICK[name] for name in QUICK if name in (*columns(flow), "line")}
        for symptom, when in itertools.product(values["symptom"], When):
            wanted: dict[str, Dial] = {"symptom": symptom, "when": when}
            for _ in range(100):
                chosen = {name: rng.choice(some) for name, some in values.items()} | wanted
                if is_sensible(row_of(flow, chosen)):
                    rows.append(row_of(flow, chosen))
                    break
    return rows


def at_random(seed: int) -> Iterator[Row]:
    """Return sensible rows without an end."""
    rng = random.Random(seed)
    while True:
        flow = rng.choice(list(Flow))
        chosen = {name: rng.choice(values) for name, values in columns(flow).items()}
        row = row_of(flow, chosen)
        if is_sensible(row):
            yield row


def playable(rows: Iterable[Row]) -> Iterator[Row]:
    """Leave out what this release of the client has no argument for."""
    return (row for row in rows if KNOWS_TRUST or row.dials.trust is Trust.NO)


def at_rest(row: Row, name: str) -> Row:
    """Return the row with one dial at rest."""
    return moved(row, name, WRITES[row.flow][0] if name == "write" else DEFAULTS[name])


def moved(row: Row, name: str, value: Dial) -> Row:
    """Return the row with one dial at another value."""
    return row_of(row.flow, settings(row.dials) | {name: value})
