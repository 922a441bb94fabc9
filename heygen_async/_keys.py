"""
Which keys a batch has seen, in a few bytes each: a hundred thousand must not weigh more than the jobs at work.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b

_SHARDS = 64  # so that growing one is a matter of a millisecond
_SMALLEST = 8


class Keys:
    """
    Remembers the position of each key by 64 bits of its hash, 16 to 48 bytes a key.

    Two different keys of a hundred thousand share a hash once in four billion batches; the second is then refused.
    """

    __slots__ = ("_shards",)

    def __init__(self) -> None:
        self._shards = [_Shard() for _ in range(_SHARDS)]

    def add(self, key: str, position: int) -> int | None:
        """Note a key; return the position (from 1) it was seen at before, if it was."""
        digest = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")
        return self._shards[digest % _SHARDS].add(digest, position)


class _Shard:
    """An open table of hashes and positions; position 0 is a free slot."""

    __slots__ = ("_count", "_hashes", "_positions")

    def __init__(self, size: int = _SMALLEST) -> None:
        self._count = 0
        self._hashes = array("Q", bytes(8 * size))
        self._positions = array("Q", bytes(8 * size))

    def add(self, digest: int, position: int) -> int | None:
        slot = self._slot(digest)
        if self._positions[slot]:
            return self._positions[slot]
        self._hashes[slot], self._positions[slot] = digest, position
        self._count += 1
        if self._count * 3 > len(self._hashes) * 2:
            self._grow()
        return None

    def _slot(self, digest: int) -> int:
        size = len(self._hashes)
        slot = (digest // _SHARDS) % size
        while self._positions[slot] and self._hashes[slot] != digest:
            slot = (slot + 1) % size
        return slot

    def _grow(self) -> None:
        larger = _Shard(2 * len(self._hashes))
        for digest, position in zip(self._hashes, self._positions, strict=True):
            if position:
                larger.add(digest, position)
        self._hashes, self._positions = larger._hashes, larger._positions
