"""
The jobs of a batch as they come: from any iterable, one at a time, each with a key of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import anyio

from .._redact import clean
from ..errors import InvalidArgument
from .job import Job

Jobs = Iterable[Job | str] | AsyncIterable[Job | str]


@dataclass(slots=True)
class Item:
    """One job; or what is wrong with it, then `job` may be None."""

    position: int
    key: str
    job: Job | None = None
    error: InvalidArgument | None = None


def check_jobs(jobs: Jobs) -> None:
    """
    Refuse what is no iterable of jobs.

    Raises:
        InvalidArgument: It is not.
    """
    if isinstance(jobs, str | bytes | Job) or not isinstance(jobs, Iterable | AsyncIterable):
        raise InvalidArgument("jobs", "must be an iterable of jobs, not one job")


async def read_jobs(jobs: Jobs, *, name_of: Callable[[str], str] = str) -> AsyncGenerator[Item]:
    """
    Yield the jobs; nothing is taken before it is needed.

    Args:
        jobs: Where they come from.
        name_of: What must be unique, made of a key.

    Raises:
        Exception: Whatever the iterable raised.
    """
    iterator = aiter(jobs) if isinstance(jobs, AsyncIterable) else _iterate(jobs)
    positions: dict[str, int] = {}
    position = 0
    try:
        async for value in iterator:
            position += 1
            item = Item(position, key=str(position))
            try:
                item.job = _job_of(value, position)
                item.key = item.job.key or item.key
                before = positions.setdefault(name_of(item.key), position)
                if before != position:
                    problem = f"{clean(repr(item.key))} of job {position} is that of job {before}"
                    raise InvalidArgument("key", problem)
            except InvalidArgument as error:
                item.error = error
            yield item
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None and iterator is not jobs:  # then it was made here
            with anyio.CancelScope(shield=True):
                await close()


async def _iterate(jobs: Iterable[Job | str]) -> AsyncIterator[Job | str]:  # noqa: RUF029 - made alike
    for job in jobs:
        yield job


def _job_of(value: object, position: int) -> Job:
    if isinstance(value, str):
        return Job(value)
    if not isinstance(value, Job):
        raise InvalidArgument("jobs", f"item {position} is {type(value).__name__}, not a Job or a string")
    return value
