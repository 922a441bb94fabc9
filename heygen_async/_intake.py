"""
The jobs of a batch as they come: from whatever gives them, one at a time, each with a key of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

import anyio

from ._jobs import Job
from ._keys import Keys
from ._redact import clean
from .errors import InvalidArgument

Jobs = Iterable[Job | str] | AsyncIterable[Job | str]

_END = object()


@dataclass(frozen=True, slots=True)
class Item:
    """One job; or what is wrong with it, then `job` may be None."""

    position: int
    key: str
    job: Job | None
    error: InvalidArgument | None = None


class Intake:
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
