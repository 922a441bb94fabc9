"""What a batch keeps of its jobs: the key of each, and nothing else that grows with their number."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from benchmarks.bench_batch import Studio
from benchmarks.bench_batch import films as make_jobs
from heygen_async import BatchEvent, Cadence, HeyGen

IN_FLIGHT = 10


def client() -> HeyGen:
    """Return a client that polls rarely, of a service that remembers nothing."""
    cadence = Cadence.constant(40)
    return HeyGen("a-key", base_url="http://127.0.0.1:8080", http=Studio(), cadence=cadence)


def held() -> int:
    """Return the bytes that are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture
def _traced() -> Iterator[None]:
    """Have Python count its bytes."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
async def test_memory_does_not_grow_with_the_jobs() -> None:
    """A job leaves at most 600 bytes: its key, and what a client remembers of its newest 10,000 creates."""
    sizes: dict[int, int] = {}
    async with client() as heygen, heygen.batch(make_jobs(510), max_in_flight=IN_FLIGHT) as run:
        number = 0
        async for _ in run:
            number += 1
            if number in (200, 500):
                sizes[number] = held()

    assert 510 == number
    assert sizes[500] - sizes[200] <= 300 * 600


async def test_tasks_are_those_in_flight() -> None:
    """A batch has a task for each job in flight and a few of its own, however long its input."""
    counts: list[int] = []

    def count_tasks(event: BatchEvent) -> None:
        counts.append(len(asyncio.all_tasks()))

    async with (
        client() as heygen,
        heygen.batch(make_jobs(60), max_in_flight=IN_FLIGHT, on_event=count_tasks) as run,
    ):
        assert 60 == len([outcome async for outcome in run])

    assert max(counts) <= 4 * IN_FLIGHT
