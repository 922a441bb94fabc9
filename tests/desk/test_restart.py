"""What a desk remembers, and how it ends: with its real database, and as the real command."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

import loops
from heygen_async import Cadence, HeyGen
from heygen_async.testing import MemoryTransport, Simulator
from repository import house
from review_desk.settings import Settings
from review_desk.store import Record, Store

if TYPE_CHECKING:
    from desk.conftest import OpenDesk
    from programs import Programs

QUICKLY = Cadence.constant(0.02)
FORM = {"form": "a-form", "prompt": "A tour of our bakery"}


@pytest.fixture(scope="module")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in real time: a database works in a thread of its own."""
    return loops.backend(pytestconfig, debug=True)


@pytest.fixture
def service() -> Simulator:
    """An agent that is done in a moment."""
    return Simulator(speed=200)


async def test_sessions_survive_a_restart(
    open_desk: OpenDesk, tmp_path: pathlib.Path, service: Simulator
) -> None:
    """A desk that starts again shows the same sessions where they are now, with all that was said, and goes on."""
    settings = Settings(database=str(tmp_path / "desk.sqlite3"))
    async with open_desk(settings, QUICKLY) as visitor:
        url = (await visitor.post("/sessions", FORM)).json["url"]
        async with visitor.watch(f"{url}/events") as page:
            before = await page.until(status="reviewing")
    async with open_desk(settings, QUICKLY) as visitor:
        async with visitor.watch("/events") as rows:
            await rows.until(status="reviewing", title="A tour of our bakery")
        async with visitor.watch(f"{url}/events") as page:
            after = await page.when(lambda event: len(event["messages"]) > 0)
            again = (await visitor.post("/sessions", FORM)).json["url"]
            await visitor.post(f"{url}/approve")
            await page.when(lambda event: event["video"] is not None)

    assert before["messages"] == after["messages"]
    assert url == again
    assert 1 == len(service.ledger.creates) == len(service.ledger.billed)


async def test_a_file_of_an_older_desk_is_read(
    open_desk: OpenDesk, tmp_path: pathlib.Path, service: Simulator
) -> None:
    """A database from before titles and approvals were recorded goes on with its sessions."""
    path = tmp_path / "desk.sqlite3"
    async with HeyGen(service.api_key, http=MemoryTransport(service)) as heygen:
        session = await heygen.sessions.create("A tour of our bakery")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(
            """CREATE TABLE sessions (
                id TEXT PRIMARY KEY, form TEXT NOT NULL, prompt TEXT NOT NULL, title TEXT,
                created REAL NOT NULL, since REAL NOT NULL, ref BLOB NOT NULL
            ) STRICT"""
        )
        row = (session.id, "a-form", "A tour of our bakery", None, 1.8e9, 1.8e9, session.ref())
        database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()
    async with (
        open_desk(Settings(database=str(path)), QUICKLY) as visitor,
        visitor.watch(f"/sessions/{session.id}/events") as page,
    ):
        await page.until(status="reviewing", title="A tour of our bakery")
        await visitor.post(f"/sessions/{session.id}/approve", {"by": "Ann"})
        await page.until(approved_by="Ann", status="completed")


async def test_a_session_that_the_service_knows_no_more_is_told(
    open_desk: OpenDesk, tmp_path: pathlib.Path, service: Simulator
) -> None:
    """A page of a session that is gone at the service says so, asks no more, and lets the session be deleted."""
    settings = Settings(database=str(tmp_path / "desk.sqlite3"))
    ref = HeyGen(service.api_key).sessions.attach("sess_gone").ref()
    async with Store.opened(str(tmp_path / "desk.sqlite3")) as store:
        await store.add(
            Record(id="sess_gone", form="a-form", prompt="A tour", created=1.0, since=1.0, ref=ref)
        )
    async with open_desk(settings, QUICKLY) as visitor, visitor.watch("/sessions/sess_gone/events") as page:
        gone = await page.when(lambda event: event["trouble"] is not None)
        polls = service.ledger.total_requests
        await asyncio.sleep(0.2)  # noqa: TID251 - ten polls
        assert polls == service.ledger.total_requests
        deleted = await visitor.post("/sessions/sess_gone/delete")
        await page.end()

    assert "HeyGen no longer knows this session." == gone["trouble"]["error"]
    assert (True, 200) == (gone["can_delete"], deleted.status)


async def test_a_finished_session_is_not_polled_for_the_list(
    open_desk: OpenDesk, tmp_path: pathlib.Path, service: Simulator
) -> None:
    """After a restart the list shows a finished session from memory; its page reads it."""
    settings = Settings(database=str(tmp_path / "desk.sqlite3"))
    async with open_desk(settings, QUICKLY) as visitor:
        url = (await visitor.post("/sessions", FORM)).json["url"]
        async with visitor.watch(f"{url}/events") as page:
            await page.until(status="reviewing")
            await visitor.post(f"{url}/approve")
            await page.when(lambda event: event["video"] is not None)
    requests = service.ledger.total_requests
    async with open_desk(settings, QUICKLY) as visitor:
        async with visitor.watch("/events") as rows:
            await rows.until(status="completed")
            assert requests == service.ledger.total_requests
        async with visitor.watch(f"{url}/events") as page:
            await page.when(lambda event: event["video"] is not None and len(event["messages"]) > 3)


async def test_a_session_that_is_being_made_is_not_lost(
    open_desk: OpenDesk, tmp_path: pathlib.Path, service: Simulator
) -> None:
    """A desk that closes while the service takes its time to answer remembers the session it paid for."""
    settings = Settings(database=str(tmp_path / "desk.sqlite3"))
    service.faults.add("slow", on="create", times=1, seconds=0.3)
    async with open_desk(settings, QUICKLY) as visitor:
        click = asyncio.create_task(visitor.post("/sessions", FORM))
        while not service.ledger.creates:
            await asyncio.sleep(0.01)  # noqa: TID251 - real time
        click.cancel()  # as a server does with requests that outlast its patience
    async with open_desk(settings, QUICKLY) as visitor, visitor.watch("/events") as rows:
        await rows.until(id=service.ledger.sessions[0])


def environment() -> dict[str, str]:
    """The environment of a user, with the examples to run."""
    ours = ("COV", "PYTEST", "PYTHON", "HEYGEN", "DESK")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(house.ROOT / "examples")}


def started(programs: Programs) -> tuple[subprocess.Popen[str], str]:
    """Run `python -m review_desk`; return the process and its address."""
    words = (sys.executable, "-u", "-W", "error", "-m", "review_desk", "--port", "0")
    process = programs.start(*words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    return process, next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_the_desk_ends_although_a_browser_follows_it(programs: Programs, how: signal.Signals) -> None:
    """A desk that is told to end closes the streams of its browsers, which never end by themselves, and so itself."""
    process, url = started(programs)
    with urllib.request.urlopen(f"{url}/events") as stream:
        assert b"id: 0\n" == stream.readline()
        process.send_signal(how)
        rest = stream.read()
        _, complaints = process.communicate()

    assert "" == complaints
    assert process.returncode in {130, -how}
    assert rest.endswith(b"\n\n")


def test_the_desk_without_a_key_says_how_to_get_one() -> None:
    """`--live` without a key ends with two lines that help."""
    words = [sys.executable, "-m", "review_desk", "--live"]
    done = subprocess.run(words, env=environment(), text=True, capture_output=True, check=False)
    error, hint = done.stderr.splitlines()

    assert (1, True, True) == (done.returncode, error.startswith("No API key"), "HEYGEN_API_KEY" in hint)
