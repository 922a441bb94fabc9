"""
A durable batch: what a thousand waiting jobs take, and what recording everything costs for each.

Beside it bare workflows of the engine, with as many steps as a job has there and with one for all that a job does, and
what it takes to submit a hundred thousand jobs. In real time, on SQLite in a file. The service is the one of
`bench_batch`, which remembers nothing.
"""

from __future__ import annotations

import resource
import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import psutil
from dbos import DBOS, DBOSPortableJSONSerializer

from heygen_async import HeyGen
from heygen_async.durable import DurableBatch, _database

from ._measure import apart, run_async
from .bench_batch import Studio, _session, films

if TYPE_CHECKING:
    from ._measure import Row

WAITING = 1_000
WATCHED = 20.0  # seconds
ENDING = 300
SUBMITTED = 100_000
_STEPS = 2  # create, follow; a third, finish, where videos are saved
_ALL_STEPS = 4  # announce, create, follow, finish: a job told to the engine alone
_ADDRESS = "http://127.0.0.1:8080"
_LONG_AGO = 1_000.0


class Instant(Studio):
    """The service when every film is there at once: what is left is the batch's own work."""

    def _create(self) -> object:
        self._made += 1
        return _session(f"sess-{self._made}-{anyio.current_time() - _LONG_AGO:.2f}")


def run(*, quick: bool) -> Row:
    """Measure all of it."""
    count, seconds, ending, submitted = (
        (100, 3.0, 50, 2_000) if quick else (WAITING, WATCHED, ENDING, SUBMITTED)
    )
    with tempfile.TemporaryDirectory() as folder:
        waiting = apart(partial(run_async, _waiting, f"sqlite:///{folder}/waiting.db", count, seconds))
        durable = apart(partial(run_async, _durable, f"sqlite:///{folder}/ending.db", ending))
        bare = apart(partial(_bare, f"sqlite:///{folder}/bare.db", ending, _STEPS))
        all_steps = apart(partial(_bare, f"sqlite:///{folder}/steps.db", ending, _ALL_STEPS))
        local = apart(partial(run_async, _local, ending))
        submit = apart(partial(run_async, _submit, f"sqlite:///{folder}/submit.db", submitted))
    return {
        "waiting": waiting,
        "rows": [
            {"batch": "heygen.batch", **local},
            {"batch": f"a bare workflow, {_STEPS} steps", **bare},
            {"batch": f"a bare workflow, {_ALL_STEPS} steps", **all_steps},
            {"batch": "DurableBatch", **durable},
        ],
        "cpu_over_bare": durable["cpu_ms_each"] / bare["cpu_ms_each"],
        "cpu_over_all_steps": durable["cpu_ms_each"] / all_steps["cpu_ms_each"],
        "submit": submit,
    }


async def _waiting(url: str, count: int, seconds: float) -> Row:
    process = psutil.Process()
    async with (
        HeyGen("a-key", base_url=_ADDRESS, http=Studio()) as heygen,
        DurableBatch(url, name="waiting", max_in_flight=count, heygen=heygen) as batch,
    ):
        before = process.memory_info().rss
        began = time.perf_counter()
        await batch.submit(films(count))
        submitted = time.perf_counter() - began
        while (await batch.status(jobs=False)).counts.get("rendering", 0) < count:  # noqa: ASYNC110
            await anyio.sleep(0.2)
        started = time.perf_counter() - began
        cpu, written = _cpu(), _written(process)
        await anyio.sleep(seconds)
        return {
            "jobs": count,
            "submit_ms_each": submitted / count * 1e3,
            "start_seconds": started,
            "kb_each": (process.memory_info().rss - before) / count / 1024,
            "rss_mb": process.memory_info().rss / 1e6,
            "cpu_percent": (_cpu() - cpu) / seconds * 100,
            "bytes_written": _written(process) - written,
            "threads": process.num_threads(),
        }


async def _durable(url: str, count: int) -> Row:
    studio = Instant()
    async with (
        HeyGen("a-key", base_url=_ADDRESS, http=studio) as heygen,
        DurableBatch(url, name="ending", max_in_flight=50, heygen=heygen, poll_interval=0.1) as batch,
    ):
        await _warm_up(heygen)
        cpu, began = _cpu(), time.perf_counter()
        await batch.submit(films(count))
        ended = [outcome async for outcome in batch.outcomes()]
        return _each(len(ended), cpu, began)


def _bare(url: str, count: int, steps: int) -> Row:
    """So many steps, each a word long, by the engine alone, on a database that is opened alike."""
    database = _database.connect(_database.parse(url))
    DBOS(
        config={
            "name": "bare",
            "system_database_engine": database,
            "application_version": "bare",
            "max_executor_threads": 16,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "CRITICAL",
        }
    )

    @DBOS.step(name="bare.step")
    async def step(key: str) -> dict[str, object]:  # noqa: RUF029 - runs on the engine's loop, as our steps do
        return {"next": key}

    @DBOS.workflow(name="bare.job", max_recovery_attempts=None)
    async def job(key: str) -> str:
        for _ in range(steps):
            await step(key)
        return key

    DBOS.launch()
    try:
        DBOS.register_queue("bare", global_concurrency=50, polling_interval_sec=0.1)
        cpu, began = _cpu(), time.perf_counter()
        for number in range(count):
            DBOS.enqueue_workflow("bare", job, f"film-{number}")
        while len(DBOS.list_workflows(status="SUCCESS", load_input=False, load_output=False)) < count:
            time.sleep(0.2)
        return _each(count, cpu, began)
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=1)
        database.dispose()


async def _submit(url: str, count: int) -> Row:
    process = psutil.Process()
    async with DurableBatch(url, name="submit", work=False) as batch:
        before, cpu, began = process.memory_info().rss, _cpu(), time.perf_counter()
        report = await batch.submit(films(count))
        return {
            "jobs": report.new,
            "seconds": time.perf_counter() - began,
            "cpu_ms_each": (_cpu() - cpu) / count * 1e3,
            "mb_more": (process.memory_info().rss - before) / 1e6,
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        }


async def _local(count: int) -> Row:
    async with HeyGen("a-key", base_url=_ADDRESS, http=Instant()) as heygen:
        await _warm_up(heygen)
        async with heygen.batch(films(count), max_in_flight=50) as batch:
            cpu, began = _cpu(), time.perf_counter()
            ended = [outcome async for outcome in batch]
            return _each(len(ended), cpu, began)


async def _warm_up(heygen: HeyGen) -> None:
    """Have the client load what it loads when it is used: that is no job's cost."""
    async with heygen.batch(films(1)) as batch:
        async for _ in batch:
            pass


def _each(count: int, cpu: float, began: float) -> Row:
    seconds = time.perf_counter() - began
    return {"jobs": count, "cpu_ms_each": (_cpu() - cpu) / count * 1e3, "jobs_per_second": count / seconds}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _written(process: psutil.Process) -> int:
    return int(process.io_counters().write_bytes)
