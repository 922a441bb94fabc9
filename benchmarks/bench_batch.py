"""
A batch of any length: how much memory it takes, and how full the window is.

In virtual time, on a transport that remembers nothing: what the moment makes of a session stands in its id. So all
memory that grows is the client's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio

from heygen_async import HeyGen, Job
from heygen_async.testing import MemoryAnswer
from heygen_async.testing import run as in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._measure import Row

COUNTS = (1_000, 10_000, 100_000)
WINDOW = 10
THINKING, RENDERING = 20.0, 90.0  # seconds of a session
BUDGET_BYTES = 20_000_000  # for a hundred times as many jobs

_STATUSES = "/v3/videos/statuses?"


class Studio:
    """
    The service as far as a batch of films in mode `generate` sees it.

    Attributes:
        requests: How many came.
        most: Most sessions that were in progress at once.
    """

    def __init__(self) -> None:
        self.requests = self._made = self.most = 0
        self._ends: list[float] = []

    async def send(self, request: Any) -> MemoryAnswer:
        """Answer from what stands in the ids."""
        self.requests += 1
        await anyio.sleep(0.05)
        path = request.url.partition("/v3/")[2]
        body = json.dumps({"data": self._answer(request.method, f"/v3/{path}")}).encode()
        return MemoryAnswer(200, {"content-type": "application/json"}, body)

    def _answer(self, method: str, path: str) -> object:
        if method == "POST":
            return self._create()
        if path.startswith(_STATUSES):
            ids = path.partition("video_ids=")[2].partition("&")[0].replace("%2C", ",").split(",")
            return [{"video_id": one, "status": _video(one)["status"]} for one in ids]
        name = path.rpartition("/")[2]
        return _video(name) if name.startswith("vid") else _session(name)

    def _create(self) -> object:
        self._made += 1
        now = anyio.current_time()
        self._ends = [end for end in self._ends if end > now] + [now + THINKING + RENDERING]
        self.most = max(self.most, len(self._ends))
        return _session(f"sess-{self._made}-{now:.2f}")

    def stream(self, request: Any) -> Any:
        """Nobody downloads here."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to close."""


def _age(name: str) -> float:
    return anyio.current_time() - float(name.rpartition("-")[2])


def _session(name: str) -> dict[str, object]:
    age = _age(name)
    status = "thinking" if age < THINKING else "generating" if age < THINKING + RENDERING else "completed"
    video = None if status == "thinking" else name.replace("sess", "vid")
    return {
        "session_id": name,
        "status": status,
        "progress": min(100, int(age)),
        "video_id": video,
        "created_at": int(name.rpartition("-")[2].partition(".")[0]),
        "messages": [{"role": "user", "content": "A film", "type": "text"}],
    }


def _video(name: str) -> dict[str, object]:
    done = _age(name) >= THINKING + RENDERING
    url = f"https://files.example.com/{name}.mp4" if done else None
    return {"id": name, "status": "completed" if done else "processing", "video_url": url}


def films(count: int) -> Iterator[Job]:
    """Yield so many jobs, none before it is asked for."""
    return (
        Job(f"Film number {number} about coffee", key=f"film-{number}", mode="generate")
        for number in range(count)
    )


async def batched(count: int) -> Row:
    """Make so many films; return what it took."""
    studio = Studio()
    began = anyio.current_time()
    made = 0
    async with (
        HeyGen("a-key", base_url="http://127.0.0.1:8080", http=studio) as heygen,
        heygen.batch(films(count), max_in_flight=WINDOW) as batch,
    ):
        async for outcome in batch:
            made += outcome.ok
    seconds = anyio.current_time() - began
    ideal = count / WINDOW * (THINKING + RENDERING)
    return {
        "made": made,
        "most": studio.most,
        "requests_each": studio.requests / count,
        "used": ideal / seconds,
    }


def run(*, quick: bool) -> Row:
    """Run each length in a process of its own, since what a process once had it keeps."""
    with ThreadPoolExecutor(2) as pool:  # at once: in virtual time only memory and CPU are measured
        rows = list(pool.map(_spawn, sorted(COUNTS[:2] if quick else COUNTS, reverse=True)))[::-1]
    grown = rows[-1]["peak_bytes"] - rows[0]["peak_bytes"]
    return {"rows": rows, "grown_bytes": grown, "budget_bytes": BUDGET_BYTES, "window": WINDOW}


def _spawn(count: int) -> Row:
    command = [sys.executable, "-m", "benchmarks.bench_batch", str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout)
    return row


def _alone(count: int) -> Row:
    began = time.process_time()
    row = in_virtual_time(batched, count)
    cpu = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"jobs": count, **row, "peak_bytes": peak, "cpu_ms_each": cpu / count * 1000}


if __name__ == "__main__":
    print(json.dumps(_alone(int(sys.argv[1]))))
