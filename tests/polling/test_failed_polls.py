"""A poll that fails is one failed poll: what ends a watch, what does not, and what its caller is told meanwhile."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from flows import Line, client, clock, pass_time, rendering, words
from heygen_async import (
    APIError,
    Cadence,
    ClientStateError,
    Forbidden,
    HeyGen,
    InsufficientCredit,
    Outage,
    SessionStatus,
    StateUnknown,
    Timeouts,
    Unauthorized,
)
from heygen_async.testing import MemoryAnswer, Scenario, Simulator
from heygen_async.testing._virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from heygen_async import RequestEvent
    from heygen_async.testing._transports.memory import Outgoing

PROMPT = "An espresso machine"
RENDERING = Scenario.generate().timed(thinking=1, generating=600)
PAGE = b"<html><body>Something in between</body></html>"
PASSING = (302, 307, 400, 402, 403, 404, 408, 409, 410, 421, 425, 451, 499, 500, 502, 520)

each = pytest.mark.parametrize


class Breaking(Line):
    """A way to the service on which reads of sessions and videos get another answer for a while."""

    def __init__(self, service: Simulator) -> None:
        super().__init__(service)
        self.answer: MemoryAnswer | None = None
        self.left = 0

    def breaks(self, status: int, body: bytes = PAGE, *, times: int = 1_000_000, **headers: str) -> None:
        """Answer the next reads so."""
        self.answer, self.left = MemoryAnswer(status, {"content-type": "text/html", **headers}, body), times

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on, or not."""
        if request.method == "GET" and self.answer is not None and self.left > 0:
            self.left -= 1
            await super().send(request)
            return self.answer
        return await super().send(request)


@pytest.fixture(name="broken")
async def _broken(service: Simulator) -> AsyncGenerator[tuple[HeyGen, Breaking]]:
    line = Breaking(service)
    async with client(line, cadence=Cadence.constant(5)) as heygen:
        yield heygen, line


def refusal(code: str) -> bytes:
    """What the service itself says."""
    return json.dumps({"error": {"code": code, "message": "No."}}).encode()


@each("status", PASSING)
async def test_an_answer_of_something_in_between_ends_no_watch(
    broken: tuple[HeyGen, Breaking], status: int
) -> None:
    """Whatever a proxy answers a few polls with, the watch goes on and sees the end."""
    heygen, line = broken
    session = await heygen.sessions.create(PROMPT, mode="generate")
    line.breaks(status, times=3)

    assert SessionStatus.COMPLETED == (await session.wait()).status
    assert 0 == line.left


@each("status", PASSING)
async def test_a_shared_poll_that_fails_ends_no_watch(service: Simulator, status: int) -> None:
    """A status request for many sessions that fails is one failed poll of each."""
    service.script(RENDERING)
    line = Breaking(service)
    async with client(line) as heygen:
        sessions = await rendering(heygen, 5)
        ends: list[SessionStatus] = []

        async def wait(number: int) -> None:
            ends.append((await sessions[number].wait()).status)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(wait, number)
            await pass_time(60)
            line.breaks(status, times=4)

    assert 0 == line.left
    assert [SessionStatus.COMPLETED] * 5 == ends


@each(
    ("status", "code", "error"),
    [
        (401, "unauthorized", Unauthorized),
        (402, "insufficient_credit", InsufficientCredit),
        (403, "forbidden", Forbidden),
    ],
)
async def test_a_refusal_by_the_service_is_final(
    broken: tuple[HeyGen, Breaking], status: int, code: str, error: type[APIError]
) -> None:
    """A refused credential, and the service's own 402 and 403, end a watch at once."""
    heygen, line = broken
    session = await heygen.sessions.create(PROMPT, mode="generate")
    line.breaks(status, refusal(code))
    started = clock()
    with pytest.raises(error):
        await session.wait()

    assert clock() - started < 10


@each("status", PASSING)
async def test_only_the_failure_budget_ends_it(service: Simulator, status: int) -> None:
    """What fails for a whole failure budget is a StateUnknown, and not before."""
    line = Breaking(service)
    async with client(line, timeouts=Timeouts(outage=200)) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        line.breaks(status)
        started = clock()
        with pytest.raises(StateUnknown):
            await session.wait()

    assert 200 <= clock() - started <= 230


# ---- what the caller is told --------------------------------------------------------------------------------------


@each("is_async", [False, True])
async def test_an_outage_is_reported_and_its_end(broken: tuple[HeyGen, Breaking], is_async: bool) -> None:
    """The callback is called while the service cannot be reached, and once when it can again; states go on."""
    heygen, line = broken
    reported: list[Outage] = []

    async def take(outage: Outage) -> None:
        await pass_time(0)
        reported.append(outage)

    session = await heygen.sessions.create(PROMPT, mode="generate")
    line.breaks(502, times=4)
    states = await words(session.watch(on_outage=take if is_async else reported.append))

    assert "completed" == states[-1]
    assert [False, False, False, True] == [outage.is_over for outage in reported]
    assert {session.id} == {outage.session_id for outage in reported}
    seconds = [outage.seconds for outage in reported]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


async def test_a_single_failure_is_no_outage(broken: tuple[HeyGen, Breaking]) -> None:
    """One failed poll is not reported."""
    heygen, line = broken
    reported: list[Outage] = []
    session = await heygen.sessions.create(PROMPT, mode="generate")
    line.breaks(502, times=1)
    await session.wait(on_outage=reported.append)

    assert [] == reported


async def test_what_a_callback_raises_reaches_its_caller(broken: tuple[HeyGen, Breaking]) -> None:
    """The callback runs in the iteration, so its error is the caller's own."""
    heygen, line = broken
    session = await heygen.sessions.create(PROMPT, mode="generate")
    line.breaks(502, times=9)

    def refuse(outage: Outage) -> None:
        raise LookupError(outage.session_id)

    with pytest.raises(LookupError, match=session.id):
        await session.wait(on_outage=refuse)


# ---- interrupts ---------------------------------------------------------------------------------------------------


@each("polls", [1, 2, 3])
def test_an_interrupt_in_a_poll_leaves_no_session_unpolled(polls: int) -> None:
    """Where the loop lives on after a Ctrl-C in a hook, the watches that were on and later ones go on."""
    reads = 0

    def interrupt(event: RequestEvent) -> None:
        nonlocal reads
        reads += event.method == "GET"
        if event.method == "GET" and reads == polls:
            raise KeyboardInterrupt

    loop = VirtualLoop()
    heygen = client(Simulator(), on_request=interrupt)
    session = loop.run_until_complete(_create(heygen))
    waiting = loop.create_task(session.wait())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(waiting)

    async def end() -> list[str]:
        states = [str((await session.wait()).status), str((await waiting).status)]
        await heygen.aclose()
        return states

    try:
        assert ["completed", "completed"] == loop.run_until_complete(end())
    finally:
        loop.close()


async def _create(heygen: HeyGen) -> Any:
    return await heygen.sessions.create(PROMPT, mode="generate")


# ---- ending without losing ----------------------------------------------------------------------------------------


async def test_watches_end_cleanly_when_a_client_stops_watching(heygen: HeyGen) -> None:
    """Iterations end as after their last state, a wait says what happened, and no poll is made any more."""
    session = await heygen.sessions.create(PROMPT)
    seen: list[str] = []
    errors: list[ClientStateError] = []

    async def watch() -> None:
        seen.extend([str(state.status) async for state in session.watch()])

    async def wait() -> None:
        with pytest.raises(ClientStateError) as caught:
            await session.wait()
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        group.start_soon(wait)
        await pass_time(3)
        await heygen.stop_watching()
    polls = heygen.statistics().polls
    await pass_time(600)

    assert ["thinking"] == seen
    assert 1 == len(errors)
    assert polls == heygen.statistics().polls
    assert 0 == heygen.statistics().watchers
    with pytest.raises(ClientStateError, match="stopped watching"):
        await session.wait()
    assert "reviewing" == (await session.refresh()).status


async def test_a_state_that_was_not_read_yet_comes_before_the_end(heygen: HeyGen) -> None:
    """What a slow reader has not read when its client stops watching is still delivered."""
    session = await heygen.sessions.create(PROMPT)
    watch = session.watch()
    first = await anext(watch)
    await pass_time(60)
    await heygen.stop_watching()

    assert "thinking" == first.status
    assert ["reviewing"] == await words(watch)


async def test_stopping_without_watches_is_nothing(heygen: HeyGen) -> None:
    """A client that watches nothing, or has never been used, stops at once, twice as well."""
    await heygen.stop_watching()
    await heygen.stop_watching()

    assert 0 == heygen.statistics().watched
