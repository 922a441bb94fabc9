"""What a batch keeps: nothing that grows with the number of its jobs but some bytes of each key."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from benchmarks.bench_batch import Studio, films
from heygen_async import BatchEvent, Cadence, HeyGen

WINDOW = 10


def client() -> HeyGen:
    """Return a client that looks rarely, of a service that remembers nothing."""
    cadence = Cadence.constant(40)
    return HeyGen("a-key", base_url="http://127.0.0.1:8080", http=Studio(), cadence=cadence)


def held() -> int:
    """Return the bytes that somebody holds on to."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture(autouse=True)
def _traced() -> Iterator[None]:
    """Have Python count its bytes."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_memory_does_not_grow_with_the_jobs() -> None:
    """From the 400th to the 1,000th outcome a batch grows by at most 60 bytes a job: what a key takes."""
    sizes: dict[int, int] = {}
    async with client() as heygen, heygen.batch(films(1_010), max_in_flight=WINDOW) as run:
        number = 0
        async for _ in run:
            number += 1
            if number in (400, 1_000):
                sizes[number] = held()

    assert 1_010 == number
    assert sizes[1_000] - sizes[400] <= 60 * 600


async def test_tasks_are_those_in_flight() -> None:
    """A batch has a task for each job in flight and a few of its own, however long its input."""
    counts: list[int] = []

    def note(event: BatchEvent) -> None:
        counts.append(len(asyncio.all_tasks()))

    async with client() as heygen, heygen.batch(films(200), max_in_flight=WINDOW, on_event=note) as run:
        assert 200 == len([outcome async for outcome in run])

    assert max(counts) <= 4 * WINDOW
