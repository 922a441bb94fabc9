"""Several processes of one desk: what one of them does, those that look at another see."""

from __future__ import annotations

import asyncio
import pathlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

import loops
from desk.conftest import SETTINGS
from heygen_async import Cadence
from heygen_async.testing import Simulator
from review_desk.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from desk.conftest import OpenDesk
    from desk.visitor import Answer, Visitor

QUICKLY = Cadence.constant(0.02)
FORM = {"form": "a-form", "prompt": "A tour of our bakery"}


@pytest.fixture(scope="module")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in real time: a database works in a thread of its own."""
    return loops.backend(pytestconfig, debug=True)


@pytest.fixture
def service() -> Simulator:
    """An agent that is done in a moment."""
    return Simulator(speed=200, max_jobs=100)


@pytest.fixture
async def desks(
    open_desk: OpenDesk, tmp_path: pathlib.Path, anyio_backend: object
) -> AsyncIterator[tuple[Visitor, Visitor]]:
    """Two processes of one desk: they share nothing but the database."""
    settings = Settings(database=str(tmp_path / "desk.sqlite3"), hosts=SETTINGS.hosts)
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(open_desk(settings, QUICKLY)) for _ in range(2)]
        yield one, two


async def at_once(*asking: Coroutine[None, None, Answer]) -> list[Answer]:
    """Ask for all at the same moment."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in asking]
    return [task.result() for task in tasks]


async def test_a_session_is_there_at_once_in_all(desks: tuple[Visitor, Visitor]) -> None:
    """A page that one process has just made opens in another, and comes into its open list by itself."""
    one, two = desks
    async with two.watch("/events") as rows:
        url = (await one.post("/sessions", FORM)).json["url"]
        assert 200 == (await two.get(url)).status
        await rows.until(status="reviewing", title=FORM["prompt"])


async def test_an_answer_in_one_goes_on_in_all(desks: tuple[Visitor, Visitor], service: Simulator) -> None:
    """A revision and an approval said in one process are followed to each new video in the other."""
    one, two = desks
    url = (await one.post("/sessions", FORM)).json["url"]
    async with two.watch(f"{url}/events") as page:
        await page.until(status="reviewing")
        await one.post(f"{url}/approve", {"by": "Ann"})
        first = await page.when(lambda event: event["video"] is not None)
        await one.post(f"{url}/messages", {"message": "Warmer, please"})
        page.events.clear()
        await page.until(can_approve=True, video=None)
        assert 204 == (await two.post(f"{url}/approve", {"by": "Ben"})).status
        second = await page.when(lambda event: event["video"] is not None)

    assert ("Ann", "Ben") == (first["approved_by"], second["approved_by"])
    assert first["video"] != second["video"]
    said = [message["text"] for message in second["messages"] if message["role"] == "user"]
    assert (4, FORM["prompt"], "Warmer, please") == (len(said), said[0], said[2])
    assert 3 == len(service.ledger.messages)


async def test_what_is_recorded_in_two_at_once_is_kept(desks: tuple[Visitor, Visitor]) -> None:
    """Who approved and where a session is shown are kept, although two processes write at the same moment."""
    one, two = desks
    url = (await one.post("/sessions", FORM)).json["url"]
    async with one.watch(f"{url}/events") as here, two.watch(f"{url}/events") as there:
        await here.until(status="reviewing")
        await there.until(status="reviewing")
        await at_once(one.post(f"{url}/approve", {"by": "Ann"}), two.post(f"{url}/archive"))
        for page in (here, there):
            await page.until(approved_by="Ann", is_archived=True)


async def test_one_form_is_one_session_for_all(desks: tuple[Visitor, Visitor], service: Simulator) -> None:
    """The same form that reaches two processes at once makes one session, which both answer with."""
    service.faults.add("slow", on="create", times=1, seconds=0.3)
    answers = await at_once(*(desk.post("/sessions", FORM) for desk in desks))

    assert [201, 201] == [answer.status for answer in answers]
    assert answers[0].json == answers[1].json
    assert 1 == len(service.ledger.creates)


async def test_a_form_that_was_refused_may_be_sent_to_another(
    desks: tuple[Visitor, Visitor], service: Simulator
) -> None:
    """What one process could not make another may, with the same form."""
    one, two = desks
    service.faults.add("payment_required", on="create", times=1)

    assert 502 == (await one.post("/sessions", FORM)).status
    assert 201 == (await two.post("/sessions", FORM)).status


async def test_what_one_deletes_is_gone_in_all(desks: tuple[Visitor, Visitor]) -> None:
    """A deleted session leaves the lists and ends the pages of other processes, and stays gone."""
    one, two = desks
    url = (await one.post("/sessions", FORM)).json["url"]
    async with two.watch("/events") as rows, two.watch(f"{url}/events") as page:
        await page.until(status="reviewing")
        assert 200 == (await one.post(f"{url}/delete")).status
        await rows.when(lambda event: event["ids"] == [] and event is not rows.events[0])
        await page.end()

    assert 404 == (await two.get(url)).status
