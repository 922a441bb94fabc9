"""
From a hundred to a hundred thousand sessions: what grows, and how fast.

Rounds of polls in virtual time on a transport that answers at once, so that only the client's own work is left:
sessions that think are polled one by one, those that render a hundred at a time.
"""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from heygen_async import Cadence, HeyGen
from heygen_async.testing import VirtualLoop

from . import _answers
from ._measure import apart, run_async
from ._memory import Answer, Line, own_bytes

if TYPE_CHECKING:
    from ._measure import Row

SIZES = (100, 1_000, 10_000, 100_000)
EVERY = 10.0


def run(*, quick: bool) -> Row:
    """Measure each size, one by one and together."""
    rows: list[Row] = []
    for sessions in SIZES[:3] if quick else SIZES:
        memory = apart(partial(run_async, own_bytes, sessions))
        for together in (False, True):
            rounds = 2 if quick or sessions > 10_000 else 6
            row = apart(partial(_watch, sessions, rounds, together=together))
            rows.append({"sessions": sessions, "polls": "100 a request" if together else "one by one", **row})
            rows[-1]["bytes_each"] = memory["scheduled session: record, watcher, due time"]
    return {"rows": rows}


class _Service(Line):
    """Answers for one session or for many at once."""

    async def send(self, request: Any) -> Answer:
        self.requests += 1
        query = request.url.partition("video_ids=")[2]
        if not query:
            return Answer(self._body)
        # Put together by hand, so that next to nothing of the time is the service's.
        rows = query.replace("%2C", ",").replace(",", '","status":"processing"},{"video_id":"')
        return Answer(f'{{"data":[{{"video_id":"{rows}","status":"processing"}}]}}'.encode())


def _watch(sessions: int, rounds: int, *, together: bool) -> Row:
    async def main() -> Row:
        line = _Service(_answers.session(2, 160, status="generating" if together else "thinking"))
        async with HeyGen("k", http=line, cadence=Cadence.constant(EVERY)) as heygen:
            refs = [_ref(number, together=together) for number in range(sessions)]
            watches = [heygen.sessions.restore(ref).watch(until=(), timeout=None) for ref in refs]
            tasks = [asyncio.ensure_future(_read(watch)) for watch in watches]
            await asyncio.sleep(EVERY * 1.05)
            gc.collect()
            requests, cpu, many = line.requests, time.process_time(), heygen.statistics().bulk_polls
            await asyncio.sleep(EVERY * rounds)
            cpu = time.process_time() - cpu
            row = {
                "requests_per_round": (line.requests - requests) / rounds,
                "bulk_per_round": (heygen.statistics().bulk_polls - many) / rounds,
                "cpu_us_per_session_round": cpu / rounds / sessions * 1e6,
                "tasks_beside_readers": len(asyncio.all_tasks()) - sessions - 1,
            }
        await asyncio.gather(*tasks, return_exceptions=True)
        return row

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


async def _read(watch: Any) -> None:
    async for _ in watch:
        pass


def _ref(number: int, *, together: bool) -> str:
    video = f',"video_id":"video_{number:08}"' if together else ""
    return f'{{"v":1,"session_id":"sess_{number}"{video}}}'
