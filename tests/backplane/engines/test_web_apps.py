"""The web apps as people run them with several workers: `uvicorn --workers`, on Redis, over sockets."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest

from backplane.engines.crew import ORDER
from heygen_async.testing import Scenario, Simulator, SimulatorServer
from heygen_async.webhooks import sign
from programs import Programs
from repository import house
from servers import Redis, free_port

pytestmark = [pytest.mark.backplane, pytest.mark.timeout(300)]

SECRET = "whsec_example"
OURS = {"sec-fetch-site": "same-origin"}
WORKERS = 3
PAGES = 12  # so many that no worker has all of them
HANGING = 120.0  # seconds: a guard, many times what is expected


@asynccontextmanager
async def app(name: str, log: pathlib.Path, environment: Mapping[str, str]) -> AsyncGenerator[str]:
    """Run an app with several workers; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", *name.split(), "--app-dir", str(house.ROOT / "examples")]
    options = ["--port", str(port), "--workers", str(WORKERS), "--log-level", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *options], stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        with anyio.fail_after(HANGING):
            while not await is_listening(port):
                assert process.poll() is None, log.read_text(encoding="utf-8")
                await anyio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await anyio.to_thread.run_sync(process.wait)
    assert "" == log.read_text(encoding="utf-8")


async def is_listening(port: int) -> bool:
    """Whether there is a server."""
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False


class Pages:
    """
    Pages of one session, each with a connection of its own, and so at any of the workers.

    Attributes:
        statuses: What each has seen.
    """

    def __init__(self, url: str) -> None:
        self.statuses: list[list[str]] = [[] for _ in range(PAGES)]
        self._url = url

    async def follow(self, http: aiohttp.ClientSession, number: int) -> None:
        """Follow the session to its end."""
        seen = self.statuses[number]
        async with http.get(f"{self._url}/events") as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    event: dict[str, Any] = json.loads(line[5:])
                    status = str(event.get("row", event)["status"])
                    seen += [status] if seen[-1:] != [status] else []
                    if status == "completed":
                        return

    async def all_see(self, status: str) -> None:
        """Wait until all have seen a status."""
        with anyio.fail_after(HANGING):
            while not all(status in seen for seen in self.statuses):
                await anyio.sleep(0.05)


@asynccontextmanager
async def opened(http: aiohttp.ClientSession, url: str) -> AsyncGenerator[Pages]:
    """Open the pages of a session, and close them when they have seen its end."""
    pages = Pages(url)
    async with anyio.create_task_group() as group:
        for number in range(PAGES):
            group.start_soon(pages.follow, http, number)
        yield pages
        await pages.all_see("completed")


@asynccontextmanager
async def service(scenario: Scenario, redis: Redis) -> AsyncGenerator[tuple[Simulator, dict[str, str]]]:
    """Run a service; yield it with the environment of an app before it."""
    simulator = Simulator(scenario=scenario)
    async with SimulatorServer(simulator):
        yield (
            simulator,
            {
                "HEYGEN_API_KEY": simulator.api_key,
                "HEYGEN_API_BASE": simulator.base_url,
                "HEYGEN_WEBHOOK_SECRET": SECRET,
                "REDIS_URL": redis.url,
            },
        )


async def deliver(http: aiohttp.ClientSession, url: str, session_id: str) -> None:
    """Deliver a webhook, to any of the workers."""
    event = {"event_type": "video_agent.success", "event_data": {"session_id": session_id}}
    body = json.dumps(event).encode()
    headers = sign(body, SECRET, event_id="evt_1", timestamp=int(time.time()))
    async with http.post(f"{url}/webhook", data=body, headers=headers) as answer:
        assert answer.status in {200, 204}


def is_forwards(seen: list[str]) -> bool:
    """Whether what a page has seen is in order, and nothing of it twice."""
    places = [ORDER[status] for status in seen]
    return places == sorted(set(places))


async def test_workers_of_fastapi_share_polls_and_webhooks(redis: Redis, tmp_path: pathlib.Path) -> None:
    """Pages at several workers follow a session by the polls of one; a webhook to one is a state in all."""
    scenario = Scenario.generate().timed(thinking=2, generating=8)
    async with (
        service(scenario, redis) as (simulator, environment),
        app("fastapi_app:app", tmp_path / "log", environment) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        async with http.post(f"{url}/sessions", json={"prompt": "A tour"}) as answer:
            session_id = (await answer.json())["id"]
        began = time.monotonic()
        async with opened(http, f"{url}/sessions/{session_id}") as pages:
            await anyio.sleep(max(0.0, began + 10.5 - time.monotonic()))
            await deliver(http, url, session_id)

    assert all(is_forwards(seen) for seen in pages.statuses)
    assert simulator.ledger.polls[session_id] < 2 * PAGES


async def test_workers_of_the_desk_share_sessions_polls_and_webhooks(
    redis: Redis, tmp_path: pathlib.Path
) -> None:
    """A session made, approved and ended at any worker is one session, one review and one video on the pages of all."""
    scenario = Scenario.chat().timed(thinking=3, generating=8)
    async with (
        service(scenario, redis) as (simulator, environment),
        app(
            "--factory review_desk.app:from_environment",
            tmp_path / "log",
            {**environment, "DESK_DATABASE": str(tmp_path / "desk.sqlite3")},
        ) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        form = {"form": "a-form", "prompt": "A tour"}
        made: set[str] = set()
        for _ in range(PAGES):
            async with http.post(
                f"{url}/sessions", data=form, headers={**OURS, "connection": "close"}
            ) as answer:
                assert answer.status == 201
                made.add((await answer.json())["url"])
        [path] = made
        async with opened(http, f"{url}{path}") as pages:
            await pages.all_see("reviewing")
            async with http.post(f"{url}{path}/approve", data={"by": "Ann"}, headers=OURS) as answer:
                assert answer.status == 204
            await anyio.sleep(8.5)
            await deliver(http, url, path.rpartition("/")[2])

    assert 1 == len(simulator.ledger.creates) == len(simulator.ledger.messages)
    assert simulator.ledger.polls[path.rpartition("/")[2]] < 2 * PAGES


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_the_desk_runs_its_workers_and_ends_with_them(
    programs: Programs, tmp_path: pathlib.Path, how: signal.Signals
) -> None:
    """`--workers 2` brings a Redis and shows pages, and leaves nothing behind when it is told to end."""
    words = (sys.executable, "-u", "-m", "review_desk", "--port", "0", "--workers", "2")
    environment = {**os.environ, "PYTHONPATH": str(house.ROOT / "examples"), "TMPDIR": str(tmp_path)}
    process = programs.start(*words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    url = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
    with urllib.request.urlopen(f"{url}/events") as stream:
        assert b"id: 0\n" == stream.readline()
        process.send_signal(how)
        rest = stream.read()
        _, complaints = process.communicate()

    assert ("", 0) == (complaints, process.returncode)
    assert rest.endswith(b"\n\n")
    assert [] == list(tmp_path.iterdir())
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)
