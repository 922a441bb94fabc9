"""
What a user submits: jobs or prompts, each as the key, the prompt's id and the record that the repository takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from .._batch.budget import most_cost
from .._batch.job import Job
from .._batch.job_source import check_jobs
from ..errors import InvalidArgument
from ..errors._arguments import check_type
from . import _records
from ._types import ChangedJob

if TYPE_CHECKING:
    from .._batch.budget import Rate

_CHUNK: Final = 1_000  # jobs read before they are queued


async def read_chunks(
    jobs: Iterable[Job | str] | AsyncIterable[Job | str],
    positions: dict[str, int],
    rate: Rate | None = None,
) -> AsyncIterator[list[tuple[str, str, str]]]:
    """Yield the jobs a thousand at a time; see `_write`. With a rate each must say how long its video will be."""
    check_jobs(jobs)
    chunk: list[tuple[str, str, str]] = []
    async for item in _each(jobs):
        job = Job(item) if isinstance(item, str) else item
        check_type(Job, "jobs or prompts", jobs=job)
        most_cost(job, rate)
        chunk.append(_write(job, positions))
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _each(jobs: Iterable[Job | str] | AsyncIterable[Job | str]) -> AsyncIterator[Job | str]:
    if isinstance(jobs, AsyncIterable):
        async for item in jobs:
            yield item
    else:
        for item in jobs:
            yield item


def _write(job: Job, positions: dict[str, int]) -> tuple[str, str, str]:
    """Return a job as (key, prompt id, record), under a key of its own."""
    position = len(positions) + 1
    key = job.key or str(position)
    before = positions.setdefault(key, position)
    if before != position:
        raise InvalidArgument("jobs", f"the key {key!r} is given twice, at {before} and {position}")
    return key, _records.prompt_id(job.prompt), _records.write_job(job)


def find_changed(known: Mapping[str, str], jobs: Iterable[tuple[str, str, str]]) -> Iterator[ChangedJob]:
    """Yield the jobs that read differently from the known records of their keys."""
    for key, _, record in jobs:
        if key in known and (differences := _records.find_differences(known[key], record)):
            yield ChangedJob(key=key, differences=differences)
