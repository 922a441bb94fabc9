"""
Many rows, and what went wrong in them: each kind once, with the fewest dials that show it.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hostile.dials import Dial, Echo, Ids, ListLag, Offset, Others, Reads, Symptom, Times
from hostile.play import play
from hostile.rows import at_rest, is_sensible, moved
from hostile.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hostile.play import Row, Run
    from hostile.verdict import Fault


# Values that stand for others of their dial, where they do the same.
PLAIN: Final[tuple[tuple[str, Dial], ...]] = (
    ("symptom", Symptom.LOST),
    ("ids", Ids.SLASH),
    ("offset", Offset.BEHIND_10_MIN),
    ("echo", Echo.LF),
    ("times", Times.ONCE),
    ("reads", Reads.S408),
    ("list_lag", ListLag.HOUR),
    ("others", Others.SAME_DURING),
)


@dataclass(slots=True)
class Kind:
    """One way to go wrong: the fault, the smallest row that shows it, and what shows it."""

    fault: Fault
    row: Row
    detail: str
    count: int = 0

    def explains(self, fault: Fault, row: Row) -> bool:
        """Whether a row goes wrong in this way: all dials of the smallest row are turned there too."""
        return (
            fault is self.fault
            and row.flow is self.row.flow
            and self.row.dials.turned().items() <= row.dials.turned().items()
        )


@dataclass(slots=True)
class Summary:
    """
    What came of many rows.

    Attributes:
        play: Plays a row with the client under test.
        patience: How many rows are made plainer to see what it takes; the others are reported as they are.
        rows: How many were played.
        wrong: How many of them had a fault.
        faults: How often each fault was found.
        kinds: Each way to go wrong once.
    """

    play: Callable[[Row], Run] = play
    patience: int = 1000
    rows: int = 0
    wrong: int = 0
    faults: Counter[Fault] = field(default_factory=Counter["Fault"])
    kinds: list[Kind] = field(default_factory=list[Kind])

    def add(self, row: Row) -> None:
        """Play a row."""
        self.rows += 1
        found = {finding.fault: finding.detail for finding in judge(self.play(row))}
        self.wrong += bool(found)
        self.faults.update(found.keys())
        for fault, detail in found.items():
            self._sort(fault, row, detail)

    def _sort(self, fault: Fault, row: Row, detail: str) -> None:
        for known in (row, self._plain(fault, row)):
            kinds = [kind for kind in self.kinds if kind.explains(fault, known)]
            if kinds:
                break
        else:
            kinds = [self._new(fault, row, detail)]
        for kind in kinds:
            kind.count += 1

    def _plain(self, fault: Fault, row: Row) -> Row:
        """Return the row with stand-ins for all values that have one, if it goes wrong in the same way."""
        plain = row
        for name, value in PLAIN:
            plainer = moved(plain, name, value) if name in plain.dials.turned() else plain
            plain = plainer if is_sensible(plainer) else plain
        return self._tried(fault, row, plain, "")[0]

    def _new(self, fault: Fault, row: Row, detail: str) -> Kind:
        self.patience -= 1
        smallest, shown = self._shrunk(fault, row, detail) if self.patience >= 0 else (row, detail)
        known = [kind for kind in self.kinds if kind.explains(fault, smallest)]
        if not known:
            known = [Kind(fault, smallest, shown)]
            self.kinds += known
        return known[0]

    def _shrunk(self, fault: Fault, row: Row, detail: str) -> tuple[Row, str]:
        """Return the plainest row that still shows the fault, and what shows it."""
        for name in row.dials.turned():
            row, detail = self._tried(fault, row, at_rest(row, name), detail)
        for name, value in PLAIN:
            if name in row.dials.turned():
                row, detail = self._tried(fault, row, moved(row, name, value), detail)
        return row, detail

    def _tried(self, fault: Fault, row: Row, plainer: Row, detail: str) -> tuple[Row, str]:
        if plainer != row and is_sensible(plainer):
            for finding in judge(self.play(plainer)):
                if finding.fault is fault:
                    return plainer, finding.detail
        return row, detail

    def __str__(self) -> str:
        lines = [f"{self.wrong} of {self.rows} rows went wrong"]
        for kind in sorted(self.kinds, key=lambda kind: (kind.fault, -kind.count)):
            lines += [
                f"{kind.count:5}  {kind.fault}: {kind.row}",
                f"       {kind.detail}",
                f"       {kind.row.command}",
            ]
        return "\n".join(lines)


def summarise(rows: Iterable[Row], *, enough: float = math.inf, **options: Any) -> Summary:
    """Play rows, until enough of them went wrong, and sort what did; options as for `Summary`."""
    summary = Summary(**options)
    for row in rows:
        summary.add(row)
        if summary.wrong >= enough:
            break
    return summary


def within(seconds: float, rows: Iterable[Row]) -> Iterator[Row]:
    """Return rows until the time is up."""
    until = time.monotonic() + seconds
    return itertools.takewhile(lambda _: time.monotonic() < until, rows)
