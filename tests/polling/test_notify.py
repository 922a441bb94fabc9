"""`HeyGen.notify`: an event brings a look forward, and never becomes a state."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest

from flows import Line, client, clock, pass_time, words
from heygen_async import Cadence, ClientStateError, HeyGen, InvalidArgument, UnverifiedEvent, WebhookEvent
from heygen_async.errors import Replayed, WebhookError
from heygen_async.testing import Notice, Scenario, Simulator, WebhookSender, run
from heygen_async.webhooks import SeenEvents, verify
from polling.events import RENDERING, looks, notify_at, render, rumour, session_known, told

Kind = Callable[..., "WebhookEvent | UnverifiedEvent"]

NOW = 0.1  # seconds: at once


@pytest.fixture
def service() -> Simulator:
    """A service that renders for ten minutes."""
    return Simulator(max_jobs=10_000, scenario=RENDERING)


# ---- at once ------------------------------------------------------------------------------------------------------


async def test_an_event_is_a_look_now(heygen: HeyGen) -> None:
    """With a webhook, the end of a rendering is known within 100 ms of the event."""
    late, _ = await render(heygen)

    assert 0 <= late <= NOW


async def test_an_event_is_about_one_session(heygen: HeyGen, service: Simulator) -> None:
    """An event has its own session read, and not the statuses of many."""
    sessions = [await heygen.sessions.create(f"Film {number}", mode="generate") for number in range(20)]
    async with anyio.create_task_group() as group:
        for session in sessions:
            group.start_soon(session.wait)
        await pass_time(300)
        for _ in range(60):  # others are due now and then, and must not take it along
            before = service.ledger.polls[sessions[7].id]
            heygen.notify(told(sessions[7].id))
            await pass_time(0.05)
            assert before + 1 == service.ledger.polls[sessions[7].id]
            await pass_time(1)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("kind", [told, rumour], ids=["verified", "unverified"])
@pytest.mark.parametrize("by", ["session", "video"])
async def test_an_event_about_a_video_is_about_its_session(heygen: HeyGen, kind: Kind, by: str) -> None:
    """An event may name the session or only its video; verified or not, it causes a poll now."""
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    ends = clock() + 605
    async with anyio.create_task_group() as group:
        group.start_soon(session.wait)
        await pass_time(ends - clock())
        assert heygen.notify(kind(*([session.id] if by == "session" else ["", session.video_id])))

    assert session_known(session, ends) <= NOW


async def test_an_event_during_a_look_is_a_look_after_it(service: Simulator) -> None:
    """An event that comes while a slow poll is under way, which may be too old to show it, is followed by another."""
    async with client(Line(service, latency=8.0), cadence=Cadence.constant(3000)) as heygen:
        session = await heygen.sessions.create("A tour of our bakery", mode="generate")
        ends = clock() + 601
        async with anyio.create_task_group() as group:
            group.start_soon(session.wait)
            group.start_soon(
                notify_at, heygen, ends - 5, told(session.id)
            )  # seen by the service a second before
            group.start_soon(notify_at, heygen, ends, told(session.id))

    assert session_known(session, ends) <= 3 + 8 + NOW


async def test_an_event_may_be_sooner_than_the_state(heygen: HeyGen) -> None:
    """Where the service tells of an end before it shows it, polls follow each other quickly until it does."""
    for _ in range(3):
        await render(heygen)  # and here webhooks are relied on
    late, _ = await render(heygen, event_after=-3.0)

    assert late <= 5


async def test_nobody_watches(heygen: HeyGen, line: Line) -> None:
    """An event about a session nobody watches, or of a client that is not used yet or any more, does nothing."""
    unused = client(line)
    assert not unused.notify(told("sess_1"))
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    before = len(line.sent)
    assert not heygen.notify(told(session.id))
    assert not heygen.notify(rumour("sess_unknown", "vid_unknown"))
    await pass_time(60)
    assert before == len(line.sent)
    await heygen.aclose()

    assert not heygen.notify(told(session.id))


def test_a_loop_that_ended() -> None:
    """An event that comes in the next loop, before the client is used there, does nothing."""
    heygen = client(Simulator())

    async def use() -> None:
        assert not heygen.notify(told("sess_1"))
        await heygen.account.me()

    run(use)
    run(use)


async def test_misuse_is_named(heygen: HeyGen) -> None:
    """What is no event is refused, and so is a call from another thread, which would wake nobody."""
    await heygen.sessions.create("A tour of our bakery", mode="generate")
    with pytest.raises(InvalidArgument):
        heygen.notify({"event_type": "video_agent.success"})  # type: ignore[arg-type]
    errors: list[Exception] = []

    def call() -> None:
        try:
            heygen.notify(told("sess_1"))
        except ClientStateError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()

    assert [
        "call_soon_threadsafe" in error.hint for error in errors if isinstance(error, ClientStateError)
    ] == [True]


# ---- floods and outages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [told, rumour], ids=["verified", "unverified"])
async def test_a_flood_of_events_is_no_flood_of_looks(heygen: HeyGen, line: Line, kind: Kind) -> None:
    """Six thousand events in a minute cost one session sixty polls, one after the other, and change nothing."""
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    async with anyio.create_task_group() as group:
        group.start_soon(session.wait)
        await pass_time(100)
        before = looks(heygen)
        for _ in range(6000):
            heygen.notify(kind(session.id))
            await pass_time(0.01)
        made = looks(heygen) - before
        assert session.state is not None
        assert "generating" == session.state.status

    assert made <= 62
    assert 1 == line.max_in_flight


async def test_rumours_do_not_delay_the_truth(heygen: HeyGen) -> None:
    """Among a flood of forged events a verified one still causes a poll now."""
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    ends = clock() + 605
    async with anyio.create_task_group() as group:
        group.start_soon(session.wait)
        group.start_soon(notify_at, heygen, ends, told(session.id))
        await pass_time(600)
        for _ in range(600):
            heygen.notify(rumour(session.id))
            await pass_time(0.01)

    assert session_known(session, ends) <= NOW


async def test_rumours_do_not_hurry_a_service_in_trouble(heygen: HeyGen, service: Simulator) -> None:
    """While polls fail, unverified events do not make the client ask more often."""
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    async with anyio.create_task_group() as group:
        group.start_soon(session.wait)
        await pass_time(60)
        service.faults.add("error_500", on="get", times=None)
        await pass_time(60)
        before = looks(heygen)
        for _ in range(600):
            heygen.notify(rumour(session.id))
            await pass_time(0.1)
        made = looks(heygen) - before
        service.faults.clear()

    assert made <= 10


# ---- through the whole way ----------------------------------------------------------------------------------------

DISTURBED = (
    "webhook_lost",
    "webhook_late",
    "webhook_twice",
    "webhook_overtaken",
    "webhook_forged",
    "webhook_bare",
)


@pytest.mark.parametrize("fault", [None, *DISTURBED])
async def test_disturbed_deliveries_change_nothing_wrong(
    heygen: HeyGen, service: Simulator, fault: str | None
) -> None:
    """Lost, late, repeated, reordered and forged deliveries never show a state that is not so."""
    secrets: list[str] = []
    seen, refused = SeenEvents(), list[str]()

    def receive(notice: Notice) -> int:
        try:
            heygen.notify(verify(notice.headers, notice.body, secrets, seen=seen))
        except Replayed:
            return 200
        except WebhookError as error:
            refused.append(type(error).__name__)
            return 400
        return 200

    states: dict[str, list[str]] = {}

    async def follow(number: int) -> None:
        await pass_time(20 * number)
        session = await heygen.sessions.create(f"Film {number}", mode="generate")
        states[session.id] = await words(session.watch())

    made = await heygen.webhooks.endpoints.create("https://example.test/hook")
    secrets.append(made.secret or "")
    if fault is not None:
        service.faults.add(fault, times=None)
    async with WebhookSender(service, receive), anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(follow, number)

    assert [["thinking", "generating", "completed"]] * 6 == list(states.values())
    assert {"webhook_forged": {"BadSignature"}, "webhook_bare": {"StaleTimestamp"}}.get(
        fault or "", set()
    ) == set(refused)


async def test_an_old_event_does_not_end_a_revision(heygen: HeyGen, service: Simulator) -> None:
    """The event of the first video, come late while the revision is made, ends nothing."""
    service.script(Scenario.chat().timed(thinking=5, generating=60))
    session = await heygen.sessions.create("A tour of our bakery")
    await session.wait()
    await session.approve()
    first = await session.video()
    await session.send("Warmer, please")
    await session.wait()
    await session.approve()
    async with anyio.create_task_group() as group:
        group.start_soon(notify_at, heygen, clock() + 20, told(session.id, first.id))
        second = await session.video()

    assert first.id != second.id
    assert "completed" == second.status
