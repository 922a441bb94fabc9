"""The keys of a batch: each is known again, by its position, in a few bytes."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from heygen_async._batch.job_source import Keys


@given(st.lists(st.text(max_size=5), max_size=500))
def test_it_is_a_dictionary_of_first_positions(keys: list[str]) -> None:
    """Each key gives the position it was first seen at, and None the first time."""
    seen, known = dict[str, int](), Keys()
    for position, key in enumerate(keys, 1):
        assert seen.get(key) == known.add(key, position)
        seen.setdefault(key, position)


def test_a_hundred_thousand_are_small() -> None:
    """A hundred thousand keys take at most 48 bytes each, however long they are, and all are told apart."""
    known = Keys()
    for position in range(1, 100_001):
        assert known.add(f"{position} {'x' * 100}", position) is None
    size = sum(sys.getsizeof(shard._hashes) + sys.getsizeof(shard._positions) for shard in known._shards)

    assert 70_000 == known.add(f"70000 {'x' * 100}", 100_001)
    assert size <= 48 * 100_000
