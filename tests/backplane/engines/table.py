"""
Prints what sharing polls saves: `nox -s backplane_tests -- --table`.

Fifty sessions of half a minute, watched by 1, 2, 4 and 8 processes with five watchers each, alone and on Redis.
"""

from __future__ import annotations

import asyncio
import pathlib
import statistics
import tempfile
import time

from backplane.engines.crew import Crew, crew
from heygen_async.testing import Scenario, Simulator
from servers import run_redis

THINKING, GENERATING = 10.0, 20.0


def delays(running: Crew) -> list[float]:
    """Return for each watch by how much later than its session's end it has ended, in seconds."""
    offset = time.time() - time.monotonic()
    ends = {
        record.session_id: record.created_at - offset + THINKING + GENERATING
        for record in running.simulator.ledger.creates
    }
    return [
        seen.moments[-1] - ends[session_id]
        for worker in running.workers
        for (session_id, _), seen in worker.seen.items()
    ]


async def row(folder: pathlib.Path, workers: int, backplane: str) -> str:
    """Measure one way to watch, as a line of the table."""
    simulator = Simulator(
        scenario=Scenario.generate().timed(thinking=THINKING, generating=GENERATING), max_jobs=1000
    )
    async with crew(
        simulator, folder, sessions=50, workers=workers, watchers=5, backplane=backplane
    ) as running:
        await running.finish(*running.workers)
        late = sorted(delays(running))
        cpu = sum(worker.totals[2] for worker in running.workers)
        reads = running.reads
    where = "on Redis" if backplane else "alone"
    figures = f"{statistics.median(late):.2f} | {late[len(late) * 95 // 100]:.2f}"
    return f"| {workers} | {where} | {reads} | {cpu:.1f} | {figures} |"


async def main() -> None:
    """Print the table."""
    print("| processes | | requests | CPU seconds, all | known after, median | 95 % |")
    print("|---|---|---|---|---|---|")
    with run_redis() as redis, tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2, 4, 8):
            for backplane in ("", redis.url):
                print(await row(pathlib.Path(folder), workers, backplane), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
