"""The FastAPI example with several workers, on Redis."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest
import uvicorn

from heygen_async.testing import Scenario, Simulator, SimulatorServer
from heygen_async.webhooks import sign
from repository import house
from servers import Redis

pytestmark = [pytest.mark.backplane, pytest.mark.timeout(300)]

SECRET = "whsec_example"


@asynccontextmanager
async def worker() -> AsyncGenerator[str]:
    """Serve the example as one of its workers would; each has a module, and so a client, of its own."""
    path = house.ROOT / "examples" / "fastapi_app.py"
    spec = importlib.util.spec_from_file_location("fastapi_app", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = uvicorn.Server(uvicorn.Config(module.app, port=0, log_config=None, log_level="error"))
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        with anyio.fail_after(60):
            while not server.started:
                await anyio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True


async def statuses(http: aiohttp.ClientSession, url: str, session_id: str) -> list[str]:
    """Follow a session as a page does."""
    found: list[str] = []
    async with http.get(f"{url}/sessions/{session_id}/events") as answer:
        async for line in answer.content:
            if line.startswith(b"data:"):
                found.append(str(json.loads(line[5:]).get("status")))
                if found[-1] == "completed":
                    break
    return found


async def test_workers_share_polls_and_webhooks(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two workers follow one session by the polls of one, and a webhook to one is a state in both."""
    simulator = Simulator(scenario=Scenario.generate().timed(thinking=2, generating=4))
    async with SimulatorServer(simulator), aiohttp.ClientSession() as http:
        for name, value in {
            "HEYGEN_API_KEY": simulator.api_key,
            "HEYGEN_API_BASE": simulator.base_url,
            "HEYGEN_WEBHOOK_SECRET": SECRET,
            "REDIS_URL": redis.url,
        }.items():
            monkeypatch.setenv(name, value)
        async with worker() as first, worker() as second:
            async with http.post(f"{first}/sessions", json={"prompt": "A tour"}) as answer:
                session_id = (await answer.json())["id"]
            seen: list[list[str]] = []

            async def follow(url: str) -> None:
                seen.append(await statuses(http, url, session_id))

            with anyio.fail_after(120):
                async with anyio.create_task_group() as group:
                    for url in (first, second):
                        group.start_soon(follow, url)
                    await anyio.sleep(7)
                    body = json.dumps(
                        {"event_type": "video_agent.success", "event_data": {"session_id": session_id}}
                    ).encode()
                    headers = sign(body, SECRET, event_id="evt_1", timestamp=int(time.time()))
                    async with http.post(f"{second}/webhook", data=body, headers=headers) as answer:
                        assert answer.status == 200

        assert ["completed"] * 2 == [statuses[-1] for statuses in seen]
        assert simulator.ledger.polls[session_id] < 12
