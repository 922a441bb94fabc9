"""Cancelled writes: whatever moment the cancel comes at, no session is lost and nothing new is sent."""
# ruff: noqa: TID251 - cancels are told from timeouts by who asks for them

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from flows import Line, client, clock, pass_time
from heygen_async import HeyGen, RetryPolicy, Session, Timeouts
from heygen_async.testing import Simulator
from sessions.losses import PROMPT, both_services, each, served

LATENCY = 1.0  # seconds of a round trip: the service sees a request after half of it
WORDS = "Warmer opening shot, please"
FAULTS = ("reset_after_processing", "reset_before", "error_500", "rate_limit", "connect_refused")
MOMENTS = (0.0, 0.2, 0.6, 0.99, 1.0, 1.01, 1.3, 2.4, 3.7, 60.0, 119.0, 121.0)

Cut = Callable[[Awaitable[Any], float], Awaitable[None]]


@pytest.fixture(autouse=True)
async def _quiet_loop(anyio_backend: object) -> Any:
    """Fail a test after which the loop complains: of an error nobody retrieved, of a task destroyed."""
    noise: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: noise.append(str(context)))
    gc.freeze()  # what is older need not be looked through
    yield
    gc.collect()
    gc.unfreeze()
    await anyio.sleep(0)
    loop.set_exception_handler(None)
    assert [] == noise


async def by_task(work: Awaitable[Any], moment: float) -> None:
    """Cancel the task that waits."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(moment)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def by_task_again_and_again(work: Awaitable[Any], moment: float) -> None:
    """Cancel the task that waits, and again while it cleans up."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(moment)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.25)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def by_anyio(work: Awaitable[Any], moment: float) -> None:
    """Let anyio's deadline pass."""
    with contextlib.suppress(TimeoutError), anyio.fail_after(moment):
        await work


async def by_asyncio_timeout(work: Awaitable[Any], moment: float) -> None:
    """Let asyncio's deadline pass."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(moment):
            await work


async def by_group(work: Awaitable[Any], moment: float) -> None:
    """Cancel the group the waiting task is in."""

    async def wait() -> None:
        await work

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(moment)
        group.cancel_scope.cancel()


CUTS = (by_task, by_task_again_and_again, by_anyio, by_asyncio_timeout, by_group)


def known(heygen: HeyGen, returned: list[Session]) -> list[str]:
    """Return the ids of the sessions the caller can lay hands on."""
    return sorted(session.id for session in (*returned, *heygen.sessions.orphans))


def cases() -> list[Any]:
    """Return every kind of cancel at every moment, and every fault at those that matter, with names."""
    every = [(cut, moment, None) for cut in CUTS for moment in MOMENTS if moment < 2]
    silent = [(cut, moment, "silence") for cut in CUTS for moment in (0.6, 60.0, 119.0, 121.0)]
    faulty = [(by_task, moment, fault) for moment in (0.2, 0.99, 1.3, 2.4, 3.7) for fault in FAULTS]
    return [
        pytest.param(cut, moment, fault, id=f"{cut.__name__}-{moment}-{fault}")
        for cut, moment, fault in (*every, *silent, *faulty)
    ]


# ---- creates ------------------------------------------------------------------------------------------------------


@both_services
@each(("cut", "moment", "fault"), cases())
async def test_cancelled_create_loses_no_session(
    cut: Cut, moment: float, fault: str | None, idempotency: str
) -> None:
    """However and whenever a create is cancelled, every session there is was returned or is among the orphans."""
    service = served(idempotency)
    if fault is not None:
        service.faults.add(fault, on="create")
    line, returned = Line(service, latency=LATENCY), list[Session]()
    async with client(line) as heygen:

        async def create() -> None:
            returned.append(await heygen.sessions.create(PROMPT))

        await cut(create(), moment)
        ended = clock()
        posts = line.moments("POST", "/v3/video-agents")
        await pass_time(300)

        assert sorted(service.ledger.sessions) == known(heygen, returned)
        assert posts == line.moments("POST", "/v3/video-agents")
        assert ended <= 1000 + moment + 121 + 1

    assert len(service.ledger.sessions) <= 1


@each("cut", CUTS)
@each("moment", [0.1, 0.7])
async def test_nothing_is_sent_after_the_cancel(cut: Cut, moment: float) -> None:
    """A create whose request was not processed is not sent again once it is cancelled."""
    service = served()
    service.faults.add("reset_before", on="create")
    line = Line(service, latency=LATENCY)
    async with client(line) as heygen:
        await cut(heygen.sessions.create(PROMPT), moment)
        await pass_time(300)

    assert 1 == len(line.moments("POST", "/v3/video-agents"))
    assert [] == service.ledger.sessions


@each("cut", CUTS)
@each("fault", ["rate_limit", "connect_refused"])
async def test_cancel_while_waiting_to_try_again(cut: Cut, fault: str) -> None:
    """In a pause before the next try there is nothing to rescue: the cancel proceeds at once."""
    service = served()
    params: dict[str, Any] = {"retry_after": 100} if fault == "rate_limit" else {}
    service.faults.add(fault, on="create", times=None, **params)
    line = Line(service)
    async with client(line, retry=RetryPolicy(base=30.0, longest=60.0)) as heygen:
        began = clock()
        await cut(heygen.sessions.create(PROMPT), 5.0)

        assert clock() - began <= 5.5

    assert 1 == len(line.sent)


@each("cut", CUTS)
async def test_cancel_while_waiting_to_ask_for_the_key_again(cut: Cut) -> None:
    """Where keys are honoured, a create cancelled before it asks again is looked for at once, not waited for."""
    service = served("honoured")
    service.faults.add("in_progress", on="create")
    async with client(service, retry=RetryPolicy(base=60.0, longest=60.0)) as heygen:
        await heygen.sessions.create("Something else")
        service.faults.add("reset_after_processing", on="create")
        began = clock()
        await cut(heygen.sessions.create(PROMPT), 5.0)

        assert clock() - began <= 6
        assert service.ledger.sessions[1:] == [session.id for session in heygen.sessions.orphans]


@each("cut", CUTS)
async def test_pause_that_begins_after_the_cancel_is_not_waited_for(cut: Cut) -> None:
    """When a cancelled create turns out to be refused with a pace, nobody waits for that pace."""
    service = served()
    service.faults.add("rate_limit", on="create", retry_after=100)
    async with client(Line(service, latency=LATENCY)) as heygen:
        began = clock()
        await cut(heygen.sessions.create(PROMPT), 0.3)

        assert clock() - began <= 1.6


@each("cut", CUTS)
async def test_cancel_before_the_first_step(cut: Cut) -> None:
    """A create cancelled before it began sends nothing."""
    service = served()
    line = Line(service)
    async with client(line) as heygen:
        await cut(heygen.sessions.create(PROMPT), 0.0)
        await pass_time(10)

    assert len(line.sent) == len(service.ledger.sessions)


@each("cut", CUTS)
async def test_cancel_before_the_first_byte(cut: Cut) -> None:
    """A create cancelled while its connection is being made ends at once, and nothing is ever sent."""
    service = served()
    async with client(Line(service, connect=5.0)) as heygen:
        began = clock()
        await cut(heygen.sessions.create(PROMPT), 0.3)

        assert clock() - began < 1
        await pass_time(60)

    assert [] == service.ledger.sessions


async def test_cancel_at_a_transport_that_does_not_report() -> None:
    """Of a transport that does not tell when bytes leave, a request counts as sent at once: its session is kept."""
    service = served()
    line = Line(service, latency=LATENCY)
    line.reports_sending = False
    async with client(line) as heygen:
        await by_task(heygen.sessions.create(PROMPT), 0.3)

        assert service.ledger.sessions == [session.id for session in heygen.sessions.orphans] != []


async def test_cancel_is_bounded_and_the_session_comes_later() -> None:
    """A cancel waits no longer than the write timeout; what is found after that is still among the orphans."""
    service = served()
    service.faults.add("silence", on="create")
    service.faults.add("slow", on="list", seconds=20.0)
    async with client(service, timeouts=Timeouts(write=30.0)) as heygen:
        began = clock()
        await by_task(heygen.sessions.create(PROMPT), 1.0)
        waited = clock() - began
        before = len(heygen.sessions.orphans)
        await pass_time(60)

        assert waited == pytest.approx(31.0, abs=0.1)
        assert 0 == before
        assert service.ledger.sessions == [session.id for session in heygen.sessions.orphans]


async def test_closing_waits_for_the_rescue() -> None:
    """Closing the client while a cancelled create is being rescued loses nothing and leaves no task."""
    service = served()
    service.faults.add("silence", on="create")
    heygen = client(service, timeouts=Timeouts(write=30.0))
    task = asyncio.ensure_future(heygen.sessions.create(PROMPT))
    await pass_time(1)
    task.cancel()
    await pass_time(0)
    await heygen.aclose()

    assert service.ledger.sessions == [session.id for session in heygen.sessions.orphans]
    assert task.cancelled()


async def test_closing_does_not_wait_for_ever() -> None:
    """Closing waits for a rescue no longer than the write timeout, even if the service stays silent."""
    service = served()
    service.faults.add("silence", on="create")
    service.faults.add("silence", on="list", times=None)
    heygen = client(service, timeouts=Timeouts(write=30.0))
    task = asyncio.ensure_future(heygen.sessions.create(PROMPT))
    await pass_time(1)
    task.cancel()
    await pass_time(0)
    began = clock()
    await heygen.aclose()

    assert clock() - began <= 31
    await pass_time(600)
    assert task.done()


async def test_block_left_by_a_cancel() -> None:
    """A program that is cancelled inside `async with HeyGen()` finds its session among the orphans afterwards."""
    service = served()
    heygen = client(Line(service, latency=LATENCY))
    with anyio.move_on_after(0.7):
        async with heygen:
            await heygen.sessions.create(PROMPT)

    assert service.ledger.sessions == [session.id for session in heygen.sessions.orphans]


async def test_orphan_is_a_session_like_any() -> None:
    """A rescued session goes on to its video."""
    service = served()
    async with client(Line(service, latency=LATENCY)) as heygen:
        await by_anyio(heygen.sessions.create(PROMPT, mode="generate"), 0.7)
        [session] = heygen.sessions.orphans
        video = await session.video()

    assert [video.id] == service.ledger.billed


async def test_cancel_of_one_harms_no_other() -> None:
    """Of five identical creates one is cancelled: the other four get a session each, the fifth is an orphan."""
    service = served()
    service.faults.add("reset_after_processing", on="create", times=2)
    returned: list[Session] = []
    async with client(Line(service, latency=LATENCY)) as heygen:

        async def create() -> None:
            returned.append(await heygen.sessions.create(PROMPT))

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(create)
            group.start_soon(by_task, create(), 0.8)

        assert sorted(service.ledger.sessions) == known(heygen, returned)

    assert (4, 5) == (len(returned), len(service.ledger.sessions))


async def test_timeouts_tell_who_asked() -> None:
    """A deadline of the caller's own comes out as its `TimeoutError`, an outer cancel as a cancel."""
    service = served()
    async with client(Line(service, latency=LATENCY)) as heygen:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await heygen.sessions.create(PROMPT)

        async def patient() -> None:
            async with asyncio.timeout(0.7):
                await heygen.sessions.create(PROMPT)

        task = asyncio.ensure_future(patient())
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert sorted(service.ledger.sessions) == known(heygen, [])


# ---- messages -----------------------------------------------------------------------------------------------------


async def paused(heygen: HeyGen) -> Session:
    """Return a session that waits for the caller."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    return session


@both_services
@each(("cut", "moment", "fault"), cases())
async def test_cancelled_message_is_said_at_most_once(
    cut: Cut, moment: float, fault: str | None, idempotency: str
) -> None:
    """However and whenever a send is cancelled, the message arrives once or not at all, and nothing follows."""
    service = served(idempotency)
    line = Line(service, latency=LATENCY)
    async with client(line) as heygen:
        session = await paused(heygen)
        if fault is not None:
            service.faults.add(fault, on="send")
        await cut(session.send(WORDS), moment)
        posts = line.moments("POST", "/v3/video-agents/")
        await pass_time(300)

        assert posts == line.moments("POST", "/v3/video-agents/")

    assert len(service.ledger.messages) <= 1


async def test_session_knows_of_a_message_whose_send_was_cancelled(service: Simulator) -> None:
    """After a cancelled send that arrived, the state from before it is not taken for the answer."""
    line = Line(service, latency=LATENCY)
    async with client(line) as heygen:
        session = await paused(heygen)
        service.faults.add("stale_status", on="send")
        await by_task(session.send(WORDS), 0.7)
        state = await session.wait()

        assert [WORDS] == [m.content for m in state.messages if m.role == "user"][:1]
        assert "storyboard" in state.messages[0].content


async def test_cancelled_send_leaves_the_session_free(service: Simulator) -> None:
    """After a cancelled send the session takes the next message."""
    async with client(Line(service, latency=LATENCY)) as heygen:
        session = await paused(heygen)
        await by_task(session.send(WORDS), 0.2)
        await session.wait()
        await session.approve()
        video = await session.video()

        assert [video.id] == service.ledger.billed
