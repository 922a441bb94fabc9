"""
The jobs of a batch as they come: from any iterable, one at a time, each with a key of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

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
    Reads the jobs of a batch.

    Args:
        jobs: Where they come from; nothing is taken before it is needed.
        name_of: What must be unique, made of a key.
    """

    def __init__(self, jobs: Jobs, *, name_of: Callable[[str], str]) -> None:
        if isinstance(jobs, str | bytes | Job) or not isinstance(jobs, Iterable | AsyncIterable):
            raise InvalidArgument("jobs", "must be an iterable of jobs, not one job")
        self._jobs = jobs
        self._name_of = name_of
        self._positions: dict[str, int] = {}
        self._position = 0
        self._async_iterator: AsyncIterator[object] | None = None
        self._iterator: Iterator[object] | None = None

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
            if self._async_iterator is None:
                self._async_iterator = aiter(self._jobs)
            return await anext(self._async_iterator, _END)
        if self._iterator is None:
            self._iterator = iter(self._jobs)
        return next(self._iterator, _END)

    def _job(self, item: object) -> Job:
        if isinstance(item, str):
            return Job(item)
        if not isinstance(item, Job):
            raise InvalidArgument(
                "jobs", f"item {self._position} is {type(item).__name__}, not a Job or a string"
            )
        return item

    def _refuse_known(self, key: str) -> None:
        before = self._positions.setdefault(self._name_of(key), self._position)
        if before != self._position:
            raise InvalidArgument(
                "key", f"{clean(repr(key))} of job {self._position} is that of job {before}"
            )

    async def aclose(self) -> None:
        """Close the async iterator, if it was made here."""
        close = getattr(self._async_iterator, "aclose", None)
        if close is not None and self._async_iterator is not self._jobs:
            with anyio.CancelScope(shield=True):
                await close()
