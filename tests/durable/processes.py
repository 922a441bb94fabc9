"""What the tests of worker processes share: killing them, and waiting until they are done."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from durable.conftest import Crew

PATIENCE = 900.0  # a guard against hanging: seconds are expected
LIVES = (0.4, 1.6)  # seconds between two kills


async def killed(crew: Crew, workers: int, kills: int, seed: int) -> int:
    """Start the workers and kill one or all of them at random moments, so many in all; return how many died."""
    moments = random.Random(seed)
    for _ in range(workers):
        crew.start()
    deaths = 0
    while deaths < kills and not crew.are_done:
        await anyio.sleep(moments.uniform(*LIVES))
        doomed = range(workers) if moments.random() < 0.4 else [moments.randrange(workers)]
        for place in doomed:
            await anyio.to_thread.run_sync(crew.replace, place)
            deaths += 1
    return deaths


async def finished(crew: Crew) -> None:
    """Wait until the workers have nothing left to do."""
    with anyio.fail_after(PATIENCE):
        while not crew.are_done:
            await anyio.sleep(0.1)
    assert [0] * len(crew.processes) == [process.returncode for process in crew.processes], crew.said
