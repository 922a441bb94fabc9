"""
What a user sees of each value of each dial, as a table for `tests/fault_table.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostile.dials import DEFAULTS, VALUES, Dial, Symptom, Trust, When, Write
from hostile.flows import Flow
from hostile.play import KNOWS_TRUST, play
from hostile.rows import columns, is_sensible, row_of
from hostile.texts import APPROVAL, PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostile.play import Run

HEAD: Final = """\
## What a user sees of a service that takes no side

Made by the same command, and printed by `PYTHONPATH=tests python -m hostile table`, from runs against the service of
`tests/hostile`, which was written from the contract alone. Each row turns one dial; all others are at rest. The first
four columns break the answer of one write (the connection closes), after or before it is done, or, in the rows of
`symptom`, as the row says. The last one is a whole conversation in which nothing breaks.

`done`: the call succeeded and was paid for once. An error: it ended so. `twice`: the service did it twice, and no
reading could have shown; `named` says that the user learns of it. An empty cell: the dial has no part in it.
"""
COLUMNS: Final[Mapping[str, tuple[Flow, Mapping[str, Dial]]]] = {
    "create, done": (Flow.CREATE, {"symptom": Symptom.LOST, "when": When.AFTER}),
    "create, not done": (Flow.CREATE, {"symptom": Symptom.LOST, "when": When.BEFORE}),
    "approval, done": (Flow.APPROVE, {"symptom": Symptom.LOST, "when": When.AFTER}),
    "approval, not done": (Flow.APPROVE, {"symptom": Symptom.LOST, "when": When.BEFORE}),
    "conversation": (Flow.CONVERSE, {}),
}
SET_BY_COLUMNS: Final = ("write", "when", "line")


def table() -> str:
    """Play one row for each cell and return the table."""
    lines = [
        HEAD,
        f"| dial | the service | {' | '.join(COLUMNS)} |",
        "| --- | --- |" + " --- |" * len(COLUMNS),
    ]
    for name, values in VALUES.items():
        if name not in SET_BY_COLUMNS:
            lines += [_line(name, value) for value in values]
    return "\n".join(lines) + "\n"


def _line(name: str, value: Dial) -> str:
    cells = [_cell(flow, {**base, name: value}) for flow, base in COLUMNS.values()]
    return f"| `{name}={value}` | {value.meaning} | {' | '.join(cells)} |"


def _cell(flow: Flow, chosen: Mapping[str, Dial]) -> str:
    known = columns(flow)
    if any(value not in known.get(name, (DEFAULTS[name], *Write)) for name, value in chosen.items()):
        return ""
    row = row_of(flow, chosen)
    if not is_sensible(row) or (chosen.get("trust") is Trust.YES and not KNOWS_TRUST):
        return ""
    return ending(play(row))


def ending(run: Run) -> str:
    """How a run ended, in a word or two."""
    failed = [claim for claim in run.claims.claims if claim.error is not None]
    ending = type(failed[0].error).__name__ if failed else "done"
    return f"{ending}, {_twice(run)}" if _twice(run) else ending


def _twice(run: Run) -> str:
    ledger = run.service.ledger
    made = ledger.made(PROMPT)
    if len(made) > 1:
        return "twice, named" if all(map(run.claims.names, made)) else "twice"
    return "twice" if any(len(ledger.accepted(one, APPROVAL)) > 1 for one in made) else ""
