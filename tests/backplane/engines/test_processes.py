"""Real processes on real engines: they share their polls, and neither deaths nor outages lose anything."""

from __future__ import annotations

import json
import pathlib
import random
import signal
import statistics
import time
from collections.abc import Callable

import anyio
import pytest

from backplane.engines.crew import ORDER, Crew, Worker, crew
from heygen_async.testing import Scenario, Simulator
from servers import Postgres, Redis

pytestmark = [pytest.mark.backplane, pytest.mark.timeout(400)]

Server = Redis | Postgres
Address = Callable[[], str]


@pytest.fixture(params=["redis", "postgresql"])
def engine(request: pytest.FixtureRequest) -> tuple[Server, str]:
    """An engine that no other test uses meanwhile, and its address."""
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        return redis, redis.url
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres, postgres.database()


def service(thinking: float, generating: float) -> Simulator:
    """A service whose sessions take so many seconds in real time."""
    return Simulator(
        scenario=Scenario.generate().timed(thinking=thinking, generating=generating), max_jobs=1000
    )


def assert_forwards(workers: list[Worker]) -> None:
    """Assert that no watch has yielded a status twice, or gone back."""
    for worker in workers:
        for seen in worker.seen.values():
            places = [ORDER[status] for status in seen.statuses]
            assert places == sorted(set(places)), seen.statuses


async def test_four_processes_send_the_requests_of_one(
    tmp_path: pathlib.Path, engine: tuple[Server, str]
) -> None:
    """Four processes with 25 watchers on each of 50 sessions send about as many requests as one."""
    # In virtual time it is at most 1.1 times as many (test_shared_polls.py); here a process that a busy machine
    # starts late polls for itself until it has met the others.
    async with (
        crew(service(8, 14), tmp_path, sessions=50, workers=1) as one,
        crew(service(8, 14), tmp_path, sessions=50, workers=4, watchers=25, backplane=engine[1]) as four,
    ):
        await one.finish(*one.workers)
        await four.finish(*four.workers)

    print(f"requests of one process {one.reads}, of four {four.reads}")
    assert four.reads <= 2 * one.reads
    seen = [watch.statuses for worker in four.workers for watch in worker.seen.values()]
    assert 4 * 50 * 25 == len(seen)
    assert {"completed"} == {statuses[-1] for statuses in seen}
    assert_forwards(four.workers)


async def test_holders_are_killed_and_stopped(tmp_path: pathlib.Path, engine: tuple[Server, str]) -> None:
    """Of processes killed and stopped at random nobody is left behind: no state goes back, and all see the last one."""
    dice = random.Random(18)
    async with crew(
        service(6, 24), tmp_path, sessions=20, workers=4, watchers=2, backplane=engine[1], lease=2, every=1
    ) as running:
        alive = list(running.workers)
        await running.watched(*alive)
        stopped: list[Worker] = []
        while time.monotonic() < running.began + 26:
            victim = alive.pop(dice.randrange(len(alive)))
            if dice.random() < 0.5:
                victim.signal(signal.SIGKILL)
                alive.append(running.replace())
            else:
                victim.signal(signal.SIGSTOP)
                stopped.append(victim)
            await anyio.sleep(3)
            while stopped:
                stopped[-1].signal(signal.SIGCONT)
                alive.append(stopped.pop())
        await running.finish(*alive)

        assert_forwards(running.workers)
        assert {"completed"} == {seen.statuses[-1] for worker in alive for seen in worker.seen.values()}
        ends = running.began + 30
        late = [seen.moments[-1] - ends for worker in alive for seen in worker.seen.values()]
        print(f"the end was known after {statistics.median(late):.1f} s, at the latest {max(late):.1f} s")


async def test_the_engine_stops_and_comes_back(tmp_path: pathlib.Path, engine: tuple[Server, str]) -> None:
    """An engine that stops and starts under load loses nothing, and polls are shared again after it."""
    async with crew(
        service(6, 36), tmp_path, sessions=20, workers=4, watchers=5, backplane=engine[1], every=1
    ) as running:
        await running.watched(*running.workers)
        try:
            await anyio.to_thread.run_sync(engine[0].stop)
            alone = await rate(running)
        finally:
            await anyio.to_thread.run_sync(engine[0].start)
        with anyio.fail_after(60):
            while (shared := await rate(running)) > alone / 2:
                pass
        await running.finish(*running.workers)

        print(f"requests a second alone {alone:.0f}, shared again {shared:.0f}")
        assert_forwards(running.workers)
        assert {"completed"} == {
            seen.statuses[-1] for worker in running.workers for seen in worker.seen.values()
        }


async def rate(running: Crew) -> float:
    """Return the requests a second, over a few seconds."""
    before, began = running.reads, time.monotonic()
    await anyio.sleep(4)
    return (running.reads - before) / (time.monotonic() - began)


async def test_a_webhook_to_one_process_wakes_all(tmp_path: pathlib.Path, engine: tuple[Server, str]) -> None:
    """A webhook that reaches one process is a poll within 100 ms and a state in the others within 250 ms, mostly."""
    late: list[float] = []
    async with crew(
        service(15, 1_000), tmp_path, sessions=9, workers=4, backplane=engine[1], every=600
    ) as running:
        await running.watched(*running.workers)
        await anyio.sleep(max(0.0, running.began + 16 - time.monotonic()))
        for place, session_id in enumerate(running.session_ids):
            webhook = {"event_type": "video_agent.success", "event_data": {"session_id": session_id}}
            told_at = time.monotonic()
            running.workers[place % 4].pass_on(json.dumps(webhook))

            def is_known(session_id: str = session_id) -> bool:
                return all("generating" in one.seen[session_id, "0"].statuses for one in running.workers)

            await running.wait(is_known, "the state in all processes")
            late += [max(one.seen[session_id, "0"].moments[-1] for one in running.workers) - told_at]

    print(f"a webhook is a state in all processes within {statistics.median(late) * 1000:.0f} ms")
    assert statistics.median(late) < 2.5
