"""
Covering arrays: few rows in which every pair (or triple) of values occurs that can occur at all.

Greedy, after AETG: a row begins with a tuple that no row has yet, and takes for each other column the value that adds
most. A constraint says which rows make sense.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import random

V = TypeVar("V")

Tuple = frozenset[tuple[str, V]]


@dataclass
class Array(Generic[V]):
    """
    Rows that cover all tuples of a strength.

    Args:
        values: The values of each column; the first one is what it is when nothing else is asked of it.
        is_sensible: Whether a whole row makes sense.
        strength: 2 for pairs, 3 for triples.
        rng: Breaks ties.
        repairs: What may make a row sensible that is not, all else being at rest.
    """

    values: Mapping[str, Sequence[V]]
    is_sensible: Callable[[Mapping[str, V]], bool]
    strength: int
    rng: random.Random
    repairs: Sequence[tuple[str, V]] = ()
    impossible: list[Tuple[V]] = field(default_factory=list["Tuple[V]"])

    def rows(self) -> Iterator[dict[str, V]]:
        """Make the rows; what cannot be covered is in `impossible` afterwards."""
        todo = list(self._tuples())
        self.rng.shuffle(todo)
        left = set(todo)
        for wanted in todo:
            if wanted not in left:
                continue
            row = self._begun(wanted)
            if row is None:
                self.impossible.append(wanted)
                left.discard(wanted)
                continue
            self._improve(row, left, {name for name, _ in wanted})
            left.difference_update(self._covered(row))
            yield row

    def _tuples(self) -> Iterator[Tuple[V]]:
        for names in itertools.combinations(self.values, self.strength):
            for chosen in itertools.product(*(self.values[name] for name in names)):
                yield frozenset(zip(names, chosen, strict=True))

    def _covered(self, row: Mapping[str, V]) -> Iterator[Tuple[V]]:
        return map(frozenset, itertools.combinations(row.items(), self.strength))

    def _begun(self, wanted: Tuple[V]) -> dict[str, V] | None:
        """Return a sensible row with this tuple: all else at rest, but for what it takes."""
        row = {name: values[0] for name, values in self.values.items()} | dict(wanted)
        if self.is_sensible(row):
            return row
        fixed = {name for name, _ in wanted}
        moves = [move for move in self.repairs if move[0] in self.values and move[0] not in fixed]
        for count in (1, 2, 3):
            for changes in itertools.combinations(moves, count):
                if self.is_sensible(row | dict(changes)):
                    return row | dict(changes)
        return None

    def _improve(self, row: dict[str, V], left: set[Tuple[V]], fixed: set[str]) -> None:
        """Move each free column, in some order, to the value that adds most."""
        names = [name for name in self.values if name not in fixed]
        self.rng.shuffle(names)
        for name in names:
            others = [item for item in row.items() if item[0] != name]
            beside = list(itertools.combinations(others, self.strength - 1))

            def gain(
                value: V, name: str = name, beside: Sequence[tuple[tuple[str, V], ...]] = beside
            ) -> tuple[int, float]:
                new = sum(frozenset((*few, (name, value))) in left for few in beside)
                return new, self.rng.random()

            for value in sorted(self.values[name], key=gain, reverse=True):
                if self.is_sensible({**row, name: value}):
                    row[name] = value
                    break
