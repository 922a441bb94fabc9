"""How long a watch waits, for what, and what it says when it stops waiting."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import anyio
import pytest

from flows import Line, client, clock, pass_time, words
from heygen_async import (
    APIError,
    Cadence,
    Forbidden,
    HeyGen,
    HeyGenError,
    InsufficientCredit,
    Session,
    SessionStalled,
    SessionStatus,
    StateUnknown,
    Timeouts,
    Unauthorized,
    WatchTimeout,
)
from heygen_async.testing import Scenario, Simulator

PROMPT = "An espresso machine"
ENDS = 110  # seconds from the create of a default session in generate mode to its video
STEADY = Cadence.constant(5)
RARE = Cadence.constant(3000)  # so rare that only the poll made at a deadline can bring news


async def error_of(session: Session, **options: Any) -> tuple[HeyGenError, float]:
    """Watch until the error; return it and after how many seconds it came."""
    started = clock()
    with pytest.raises(HeyGenError) as caught:
        await words(session.watch(until={"completed"}, **options))
    return caught.value, clock() - started


# -- late --


async def test_late_session_is_only_late(heygen: HeyGen, service: Simulator) -> None:
    """At the deadline the error says how the session is, and its ref goes on with it in another client."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    error, after = await error_of(session, timeout=30)

    assert isinstance(error, WatchTimeout)
    assert isinstance(error, TimeoutError)
    assert 30 == pytest.approx(after, abs=0.5)
    assert error.last_state is not None
    assert SessionStatus.GENERATING == error.last_state.status
    async with client(service) as other:
        assert SessionStatus.COMPLETED == (await other.sessions.restore(error.ref).wait()).status
    assert 1 == len(service.ledger.creates)


@pytest.mark.parametrize("timeout", [1, 100, 10_000])
async def test_deadline_is_kept(heygen: HeyGen, service: Simulator, timeout: float) -> None:
    """The error comes at the deadline, however rarely the session is polled."""
    service.script(Scenario.stuck())
    session = await heygen.sessions.create(PROMPT)
    _, after = await error_of(session, timeout=timeout)

    assert timeout == pytest.approx(after, abs=0.5)


async def test_default_deadline_is_the_clients(service: Simulator) -> None:
    """Without a timeout of its own a watch takes the client's; None waits for ever."""
    service.script(Scenario.generate().timed(generating=7200))
    async with client(service, timeouts=Timeouts(watch=600)) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        error, after = await error_of(session)

        assert isinstance(error, WatchTimeout)
        assert 600 == pytest.approx(after, abs=0.5)
        assert SessionStatus.COMPLETED == (await session.wait(timeout=None)).status


async def test_look_is_made_at_the_deadline(service: Simulator) -> None:
    """The last poll is made at the deadline, so that what happened before it is not reported as late."""
    async with client(service, cadence=RARE) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")

        assert SessionStatus.COMPLETED == (await session.wait(timeout=ENDS + 1)).status


async def test_end_just_past_the_deadline_counts(service: Simulator) -> None:
    """When the poll made at the deadline brings the end, it is returned and not called late."""
    async with client(Line(service, latency=4.0), cadence=RARE) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        begun = (
            clock()
        )  # the service made the session 2 seconds ago, and sees a request 2 seconds after it left
        state = await session.wait(timeout=ENDS - 3)

    assert SessionStatus.COMPLETED == state.status
    assert clock() - begun > ENDS - 3


async def test_silent_service_does_not_hold_up_the_deadline(heygen: HeyGen, service: Simulator) -> None:
    """A poll that gets no answer is waited for only a few seconds past the deadline."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    service.faults.add("silence", on="get", times=None)
    error, after = await error_of(session, timeout=10)

    assert isinstance(error, WatchTimeout)
    assert 10 <= after <= 16


async def test_each_has_its_own_deadline(heygen: HeyGen, service: Simulator) -> None:
    """Where the service is silent, watches of several sessions end in the order of their deadlines, each at its own."""
    sessions = [await heygen.sessions.create(f"{PROMPT} {number}") for number in range(4)]
    service.faults.add("silence", on="get", times=None)
    ended: list[tuple[float, float]] = []

    async def watch(session: Session, timeout: float) -> None:
        error, after = await error_of(session, timeout=timeout)
        assert isinstance(error, WatchTimeout)
        ended.append((timeout, after))

    async with anyio.create_task_group() as group:
        for session, timeout in zip(sessions, (40, 10, 20, 10.5), strict=True):
            group.start_soon(watch, session, timeout)

    assert [10, 10.5, 20, 40] == [timeout for timeout, _ in ended]
    assert all(timeout <= after <= timeout + 6 for timeout, after in ended)


# -- out of reach --


@pytest.mark.parametrize("outage", [60, 300])
async def test_outage_is_told_after_its_budget(service: Simulator, outage: float) -> None:
    """Only when the service failed for the whole budget is the state called unknown, with a ref to go on."""
    service.faults.add("error_500", on="get", times=None)
    async with client(service, timeouts=Timeouts(outage=outage)) as heygen:
        session = await heygen.sessions.create(PROMPT)
        error, after = await error_of(session)
        service.faults.clear()

        assert isinstance(error, StateUnknown)
        assert isinstance(error.__cause__, APIError)
        assert outage <= after <= outage + 40
        again = heygen.sessions.restore(error.ref)
        assert SessionStatus.REVIEWING == (await again.wait()).status


async def test_budget_starts_anew_with_every_answer(heygen: HeyGen, service: Simulator) -> None:
    """An hour in which every second poll fails is no outage."""
    service.script(Scenario.generate().timed(thinking=3000))
    for place in range(0, 2000, 2):
        service.faults.add("error_500", on="get", after=place)
    session = await heygen.sessions.create(PROMPT, mode="generate")

    assert SessionStatus.COMPLETED == (await session.wait()).status


@pytest.mark.parametrize(
    "fault", ["error_500", "gateway_html", "connect_refused", "reset_before", "silence", "json_null"]
)
async def test_single_failures_are_invisible(heygen: HeyGen, service: Simulator, fault: str) -> None:
    """A watcher never learns of a poll that failed, only of the states."""
    service.faults.add(fault, on="get", times=3)
    session = await heygen.sessions.create(PROMPT)

    assert ["thinking", "reviewing"] == await words(session.watch())
    assert 3 == service.ledger.faults[fault]


# -- still --


async def test_stalled_session_is_told(heygen: HeyGen, service: Simulator) -> None:
    """When nothing moves for the whole `stall_timeout` the error says so, with the last state and a ref."""
    service.script(Scenario.stuck())
    session = await heygen.sessions.create(PROMPT)
    error, after = await error_of(session, stall_timeout=40)

    assert isinstance(error, SessionStalled)
    assert 40 <= after <= 55
    assert error.last_state is not None
    assert SessionStatus.THINKING == error.last_state.status
    assert session.id == heygen.sessions.restore(error.ref).id


async def test_movement_puts_off_the_stall(heygen: HeyGen) -> None:
    """A session whose progress moves is not stalled, however long it takes in all."""
    session = await heygen.sessions.create(PROMPT, mode="generate")

    assert SessionStatus.COMPLETED == (await session.wait(stall_timeout=30, cadence=STEADY)).status


# -- refused --


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("unauthorized_once", Unauthorized),
        ("payment_required", InsufficientCredit),
        ("forbidden", Forbidden),
    ],
)
async def test_refusals_reach_everybody_at_once(
    heygen: HeyGen, service: Simulator, fault: str, kind: type[APIError]
) -> None:
    """A refused credential is told to all watchers of a session by the one poll that met it."""
    session = await heygen.sessions.create(PROMPT)
    service.faults.add(fault, on="get")
    errors: list[HeyGenError] = []

    async def watch() -> None:
        errors.append((await error_of(session))[0])

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(watch)

    assert [kind] * 3 == [type(error) for error in errors]
    assert 3 == len(set(map(id, errors)))  # a traceback of one's own
    assert 1 == service.ledger.polls.total() + service.ledger.faults[fault]


# -- paced --


async def test_429_pauses_all_polling(line: Line) -> None:
    """When one poll is told to come back later, no session is polled before that."""
    async with client(line, cadence=STEADY) as heygen:
        sessions = [await heygen.sessions.create(PROMPT) for _ in range(5)]
        line.service.faults.add("rate_limit", on="get", after=2, retry_after=60)
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(words, session.watch())

    moments = line.moments("GET", "/v3/video-agents/")
    gaps = [after - before for before, after in pairwise(moments)]
    assert max(gaps) >= 59  # those already on their way left in the same instant
    assert all(session.state and session.state.is_paused for session in sessions)
    assert 1 == heygen.statistics().rate_limited


async def test_deadlines_fire_during_a_pause(service: Simulator) -> None:
    """A watch whose deadline lies within the service's pause does not wait for its end."""
    async with client(service, cadence=STEADY) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        service.faults.add("rate_limit", on="get", retry_after=100)
        error, after = await error_of(session, timeout=20)

    assert isinstance(error, WatchTimeout)
    assert 20 <= after <= 26


async def test_rate_is_spread_evenly(line: Line) -> None:
    """With `requests_per_second` polls keep their distance, and every session gets its share."""
    line.service.script(Scenario.stuck())
    async with client(line, cadence=Cadence.constant(1), requests_per_second=5) as heygen:
        sessions = [await heygen.sessions.create(PROMPT) for _ in range(50)]
        watches = [session.watch() for session in sessions]
        for watch in watches:
            await anext(watch)
        await pass_time(100)
        for watch in watches:
            await watch.aclose()

    moments = line.moments("GET", "/v3/video-agents/")
    gaps = [after - before for before, after in pairwise(moments)]
    shares = Counter(line.service.ledger.polls)
    assert 490 <= len(moments) <= 501
    assert min(gaps) >= 0.199
    assert max(gaps) <= 0.25
    assert max(shares.values()) - min(shares.values()) <= 1
    assert 50 == len(shares)


async def test_no_more_polls_than_connections(service: Simulator) -> None:
    """At most `max_connections` polls are under way at once, and all watchers are served."""
    line = Line(service, latency=0.5)
    async with client(line, cadence=Cadence.constant(1), max_connections=7) as heygen:
        sessions = [await heygen.sessions.create(PROMPT) for _ in range(200)]
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(words, session.watch())

    assert 7 == line.max_in_flight
    assert all(session.state and session.state.is_paused for session in sessions)
