"""
The jobs of a batch as they come: from whatever gives them, one at a time, each with a key of its own.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

import anyio

from .._redact import clean
from ..errors import InvalidArgument
from .job import Job

Jobs = Iterable[Job | str] | AsyncIterable[Job | str]

_END = object()


@dataclass(frozen=True, slots=True)
class Item:
    """One job; or what is wrong with it, then `job` may be None."""

    position: int
    key: str
    job: Job | None
    error: InvalidArgument | None = None


class JobSource:
    """
    Takes jobs in.

    Args:
        jobs: Where they come from; nothing is taken before it is asked for.
        name_of: What must be unique, made of a key.
    """

    def __init__(self, jobs: Jobs, *, name_of: Callable[[str], str]) -> None:
        if isinstance(jobs, str | bytes | Job) or not isinstance(jobs, Iterable | AsyncIterable):
            raise InvalidArgument("jobs", "must be an iterable of jobs, not one job")
        self._jobs = jobs
        self._name_of = name_of
        self._keys = Keys()
        self._position = 0
        self._later: AsyncIterator[object] | None = None
        self._now: Iterator[object] | None = None

    async def next_item(self) -> Item | None:
        """
        Return the next one; None at the end.

        Raises:
            Exception: Whatever the iterable raised.
        """
        item = await self._next()
        if item is _END:
            return None
        self._position += 1
        job, key = None, str(self._position)
        try:
            job = self._job(item)
            key = job.key or key
            self._refuse_known(key)
        except InvalidArgument as error:
            return Item(self._position, key, job, error)
        return Item(self._position, key, job)

    async def _next(self) -> object:
        if isinstance(self._jobs, AsyncIterable):
            if self._later is None:
                self._later = aiter(self._jobs)
            return await anext(self._later, _END)
        if self._now is None:
            self._now = iter(self._jobs)
        return next(self._now, _END)

    def _job(self, item: object) -> Job:
        if isinstance(item, str):
            return Job(item)
        if not isinstance(item, Job):
            raise InvalidArgument(
                "jobs", f"item {self._position} is {type(item).__name__}, not a Job or a string"
            )
        return item

    def _refuse_known(self, key: str) -> None:
        before = self._keys.add(self._name_of(key), self._position)
        if before is not None:
            raise InvalidArgument(
                "key", f"{clean(repr(key))} of job {self._position} is that of job {before}"
            )

    async def aclose(self) -> None:
        """Close the async iterator, if it was made here."""
        close = getattr(self._later, "aclose", None)
        if close is not None and self._later is not self._jobs:
            with anyio.CancelScope(shield=True):
                await close()


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
