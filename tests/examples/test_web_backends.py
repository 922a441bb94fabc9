"""The web apps on real servers: browsers that leave and come again, streams that fail, and the end of a process."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
import uvicorn
from aiohttp import web

import web_backend
from heygen_async import (
    Conflict,
    ConnectionLost,
    HeyGen,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
)
from heygen_async.testing import Simulator, SimulatorServer
from repository import house

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from types import ModuleType

    from programs import Programs

EXAMPLES: Final = house.ROOT / "examples"
APPS: Final = ("fastapi_app", "litestar_app", "aiohttp_app")
UVICORN: Final = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log")
COMMANDS: Final = {
    "fastapi_app": (*UVICORN, "fastapi_app:app"),
    "litestar_app": (*UVICORN, "litestar_app:app"),
    "aiohttp_app": (str(EXAMPLES / "aiohttp_app.py"),),
}
GUARD: Final = 60.0  # seconds; against hanging only


def loaded(name: str) -> ModuleType:
    """The example as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # Litestar looks it up there
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def served(name: str) -> AsyncGenerator[tuple[str, HeyGen]]:
    """Serve an app on a port of this machine; the address, and the app's client."""
    module = loaded(name)
    if name == "aiohttp_app":
        runner = web.AppRunner(module.app, handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", module.app[module.HEYGEN]
        await runner.cleanup()
    else:
        server = uvicorn.Server(uvicorn.Config(module.app, port=0, log_config=None, log_level="error"))
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", module.heygen
        server.should_exit = True
        await serving


async def until(holds: object) -> None:
    """Wait until something holds."""
    assert callable(holds)
    async with asyncio.timeout(GUARD):
        while not holds():
            await asyncio.sleep(0.005)  # noqa: TID251 - real time


class Browser:
    """What a page does with one of the apps."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def create(self, key: str | None = None, prompt: str = "A tour") -> tuple[int, dict[str, str]]:
        """Send the form; the status and the answer."""
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.session.post(
            f"{self.url}/sessions", json={"prompt": prompt}, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    def follow(self, session_id: str) -> aiohttp.client._RequestContextManager:
        """Follow a session."""
        return self.session.get(f"{self.url}/sessions/{session_id}/events")


@pytest.fixture
def service() -> Simulator:
    """An agent with room for all."""
    return Simulator(max_jobs=1_000)


@pytest.fixture(autouse=True)
async def _agent(
    service: Simulator, monkeypatch: pytest.MonkeyPatch, anyio_backend: object
) -> AsyncIterator[None]:
    async with SimulatorServer(service) as server:
        monkeypatch.setenv("HEYGEN_API_KEY", service.api_key)
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        yield


@asynccontextmanager
async def opened(name: str) -> AsyncGenerator[tuple[Browser, HeyGen]]:
    """Open a browser at an app."""
    connector = aiohttp.TCPConnector(limit=0)
    async with served(name) as (url, heygen), aiohttp.ClientSession(connector=connector) as session:
        yield Browser(url, session), heygen


# ---- browsers that leave ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
@pytest.mark.parametrize("name", APPS)
async def test_a_browser_that_leaves_and_retries_pays_once(
    name: str, service: Simulator, idempotency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten browsers that drop their form and send it again with its key get one session each."""
    service = Simulator(max_jobs=1_000, idempotency=idempotency)  # type: ignore[arg-type]
    async with SimulatorServer(service) as server:
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        service.faults.add("slow", on="create", times=None, seconds=0.3)
        async with opened(name) as (browser, _):
            forms = [asyncio.create_task(browser.create(f"form-{n}", f"Video {n}")) for n in range(10)]
            await until(lambda: len(service.ledger.creates) == 10)
            for form in forms:
                form.cancel()
            await asyncio.wait(forms)
            async with asyncio.TaskGroup() as group:
                again = [group.create_task(browser.create(f"form-{n}", f"Video {n}")) for n in range(10)]
            answers = [form.result() for form in again]

    assert {201} == {status for status, _ in answers}
    assert sorted(service.ledger.sessions) == sorted(answer["id"] for _, answer in answers)


@pytest.mark.parametrize("name", APPS)
async def test_dropped_creates_have_names(
    name: str, service: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Of fifty creates whose browsers have left, each session is an orphan with its key, and in the log."""
    service.faults.add("slow", on="create", times=None, seconds=0.3)
    async with opened(name) as (browser, heygen):
        logging.getLogger("heygen_async").addHandler(caplog.handler)  # Litestar takes those of the root away
        forms = [asyncio.create_task(browser.create(f"form-{n}", f"Video {n}")) for n in range(50)]
        await until(lambda: len(service.ledger.creates) == 50)
        for form in forms:
            form.cancel()
        await asyncio.wait(forms)
        await until(lambda: len(heygen.sessions.orphans) == 50)
        orphans = heygen.sessions.orphans.drain()
        logging.getLogger("heygen_async").removeHandler(caplog.handler)
    logged = [record for record in caplog.records if getattr(record, "event", "") == "cancelled_write"]

    assert set(service.ledger.sessions) == {orphan.id for orphan in orphans}
    assert {f"form-{n}" for n in range(50)} == {orphan.idempotency_key for orphan in orphans}
    assert {orphan.id for orphan in orphans} == {vars(record)["session_id"] for record in logged}


# ---- streams ------------------------------------------------------------------------------------------------------


async def events_of(answer: aiohttp.ClientResponse) -> list[tuple[str, dict[str, str]]]:
    """All events of a stream until its end."""
    text = (await answer.read()).decode()
    return [
        (name, json.loads(data))
        for name, data in re.findall(r"^event: (\w+)\ndata: (.*)$", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("name", APPS)
async def test_an_unknown_session_is_not_found(name: str) -> None:
    """The stream of a session that does not exist is a 404 with a hint, and no stream."""
    async with opened(name) as (browser, _), browser.follow("sess_nobody_made") as answer:
        assert 404 == answer.status
        assert "NotFound" == (await answer.json())["error"]


@pytest.mark.parametrize("name", APPS)
async def test_a_stream_that_fails_says_so_and_ends(name: str, service: Simulator) -> None:
    """What goes wrong after the first state is an event of the stream, without details of the account, and its end."""
    service.faults.add("forbidden", on="get", after=1, times=None)
    async with opened(name) as (browser, _):
        _, made = await browser.create()
        async with asyncio.timeout(GUARD), browser.follow(made["id"]) as answer:
            events = await events_of(answer)

    assert 200 == answer.status
    assert "thinking" == events[0][1]["status"]
    assert ("error", {"error": "Forbidden"}) == events[-1]


@pytest.mark.parametrize("name", APPS)
async def test_a_quiet_stream_has_a_heartbeat(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing happens a stream carries comments, and the session is polled no oftener for them."""
    monkeypatch.setattr(web_backend, "HEARTBEAT", 0.01)
    async with opened(name) as (browser, heygen):
        _, made = await browser.create()
        async with asyncio.timeout(GUARD), browser.follow(made["id"]) as answer:
            while b": still here\n" != await answer.content.readline():
                pass
            assert heygen.statistics().polls <= 2


@pytest.mark.parametrize("name", APPS)
async def test_browsers_that_come_and_go_share_polls(name: str) -> None:
    """However many browsers come to a session and leave again, it is polled as for one, and for none no more."""

    async def come_and_go(browser: Browser, session_id: str) -> None:
        for _ in range(3):
            async with browser.follow(session_id) as answer:
                assert b"event: state\n" == await answer.content.readline()

    async with opened(name) as (browser, heygen), asyncio.timeout(GUARD):
        _, made = await browser.create()
        async with asyncio.TaskGroup() as group:
            for _ in range(30):
                group.create_task(come_and_go(browser, made["id"]))
        await until(lambda: heygen.statistics().watchers == 0)
        assert heygen.statistics().polls < 30  # of ninety streams; a busy machine takes some seconds
        assert 0 == heygen.statistics().watched


# ---- the end of a process -----------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM for a child process")
@pytest.mark.parametrize("name", APPS)
async def test_a_process_that_is_told_to_end_finishes_what_is_paid_for(
    name: str, service: Simulator, programs: Programs
) -> None:
    """With fifty streams open and a create under way it answers the create, ends the streams, and is gone quietly."""
    ours = ("COV", "PYTEST", "PYTHON")
    env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    env |= {"PORT": "0", "PYTHONPATH": str(house.ROOT)}
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
    process = await programs.open(sys.executable, "-u", *COMMANDS[name], env=env, **pipes)
    assert process.stdout is not None
    while not (found := re.search(rb"http://[\d.]+:\d+", await process.stdout.readline())):
        pass
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        browser = Browser(found[0].decode(), session)
        _, made = await browser.create()
        streams = [await browser.follow(made["id"]) for _ in range(50)]
        for stream in streams:
            assert b"event: state\n" == await stream.content.readline()
        service.faults.add("slow", on="create", times=None, seconds=0.5)
        creating = asyncio.create_task(browser.create(prompt="Another tour"))
        await until(lambda: len(service.ledger.creates) == 2)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(GUARD):
            status, _ = await creating
            for stream in streams:
                await stream.read()
            said = (await process.communicate())[0].decode()

    assert 201 == status
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 10


# ---- errors -------------------------------------------------------------------------------------------------------

OUTCOME: Final = OutcomeUnknown(
    "lost", idempotency_key="form-1", started_at=datetime(2026, 1, 1, tzinfo=UTC), candidates=("sess_1",)
)  # fmt: skip
ANSWERS: Final[dict[str, tuple[HeyGenError, int, dict[str, object]]]] = {
    "argument": (InvalidArgument("prompt", "must be text"), 422, {"message": "prompt: must be text"}),
    "unknown": (NotFound("no such session", status=404), 404, {}),
    "conflict": (Conflict("it renders", status=409), 409, {}),
    "full": (RateLimited("full", status=429, retry_after=7.0), 429, {}),
    "key": (Unauthorized("bad key sk_1", status=401), 502, {"error": "Unauthorized"}),
    "credit": (InsufficientCredit("0.10 usd left", status=402), 502, {"error": "InsufficientCredit"}),
    "lost": (OUTCOME, 502, {"idempotency_key": "form-1", "candidates": ("sess_1",)}),
    "away": (ConnectionLost("it broke"), 502, {}),
}


@pytest.mark.parametrize(("error", "status", "body"), ANSWERS.values(), ids=ANSWERS)
def test_an_error_is_an_answer(error: HeyGenError, status: int, body: dict[str, object]) -> None:
    """Each error has its status, what a browser can do about it, and nothing of the account."""
    answer = web_backend.answer_of(error)

    assert status == answer[0]
    assert body.items() <= answer[1].items()
    assert not {"sk_1", "0.10"} & set(str(answer[1]).split())
    assert ({"retry-after": "7"} if status == 429 else {}) == answer[2]


def test_the_guide_has_the_same_statuses() -> None:
    """The table of the guide says what the apps answer."""
    guide = (house.GUIDES / "web.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*?) \| (\d{3}) \|", guide, re.MULTILINE)
    told = {name: int(status) for names, status in rows for name in re.findall(r"`(\w+)`", names)}

    assert told.items() >= {kind.__name__: status for kind, status in web_backend.STATUSES.items()}.items()
