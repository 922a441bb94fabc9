"""The client itself: its keys for writes, its loop, its end, its books."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

import anyio
import pytest

from flows import Line, client, pass_time, tasks, words
from heygen_async import ClientStateError, HeyGen, InvalidArgument, RetryPolicy, Session, Timeouts
from heygen_async.testing import Simulator, VirtualLoop

PROMPT = "An espresso machine"

# -- one key for one write --


async def create(heygen: HeyGen, session: Session) -> None:
    """Create another session."""
    await heygen.sessions.create(f"{PROMPT} again")


async def send(heygen: HeyGen, session: Session) -> None:
    """Send a message."""
    await session.send("Warmer, please")


async def stop(heygen: HeyGen, session: Session) -> None:
    """Stop the session."""
    await session.stop()


@pytest.mark.parametrize(
    "fault", ["error_500", "rate_limit", "connect_refused", "reset_before", "in_progress"]
)
@pytest.mark.parametrize("write", [create, send, stop])
async def test_every_attempt_carries_the_same_key(
    line: Line, heygen: HeyGen, write: Callable[[HeyGen, Session], Awaitable[None]], fault: str
) -> None:
    """A write that is sent again carries the idempotency key of its first attempt, and has one effect."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    del line.sent[:]
    line.service.faults.add(fault, on=write.__name__, times=2)
    await write(heygen, session)

    keys = [sent.headers.get("idempotency-key") for sent in line.sent if sent.method == "POST"]
    assert 3 == len(keys)
    assert 1 == len(set(keys))
    assert keys[0]
    ledger = line.service.ledger
    assert (0, 0) == (ledger.duplicate_creates, ledger.duplicate_messages)
    assert 1 >= max(len(ledger.creates) - 1, len(ledger.messages), len(ledger.stops))


async def test_each_write_has_its_own_key(line: Line, heygen: HeyGen) -> None:
    """Two creates are two creates: they have different keys; the caller's own is used as it is."""
    for _ in range(2):
        await heygen.sessions.create(PROMPT)
    await heygen.sessions.create(PROMPT, idempotency_key="order-42")
    keys = [sent.headers["idempotency-key"] for sent in line.sent]

    assert 3 == len(set(keys))
    assert "order-42" == keys[2]


# -- the loop --


def test_client_is_made_anywhere(service: Simulator) -> None:
    """Making a client needs no running loop and sends nothing."""
    client(service)

    assert 0 == service.ledger.total_requests


def test_second_live_loop_is_refused(service: Simulator) -> None:
    """A client used from a second loop while its own is open says so, whatever is called."""
    heygen = client(service)
    with closing(VirtualLoop()) as first, closing(VirtualLoop()) as second:
        session = first.run_until_complete(heygen.sessions.create(PROMPT))
        for call in (
            heygen.account.me,
            session.wait,
            lambda: session.send("Warmer"),
            session.watch().__anext__,
        ):
            with pytest.raises(ClientStateError, match="loop"):
                second.run_until_complete(call())
        first.run_until_complete(heygen.aclose())


def test_closed_loop_is_left_behind(service: Simulator) -> None:
    """When the client's loop is closed, the next loop takes it over, watches and all."""
    heygen = client(service)
    with closing(VirtualLoop()) as first:
        session = first.run_until_complete(heygen.sessions.create(PROMPT))
        watch = session.watch()
        first.run_until_complete(watch.__anext__())
        # A program may end its loop with a watch still on; asyncio.run() cancels what is left.
        for task in asyncio.all_tasks(first):
            task.cancel()
            first.run_until_complete(asyncio.wait({task}))
    with closing(VirtualLoop()) as second:
        state = second.run_until_complete(session.wait())
        second.run_until_complete(heygen.aclose())

    assert state.is_paused


# -- the end --


async def test_closing_twice_is_closing_once(heygen: HeyGen) -> None:
    """A second `aclose` does nothing, also inside the block that closes again."""
    await heygen.aclose()
    await heygen.aclose()

    assert "closed" in repr(heygen)


async def test_closed_client_refuses(heygen: HeyGen, service: Simulator, line: Line) -> None:
    """After the end every call is `ClientStateError` and nothing is sent."""
    session = await heygen.sessions.create(PROMPT)
    await heygen.aclose()
    requests = len(line.sent)
    for call in (
        lambda: heygen.sessions.create(PROMPT),
        session.refresh,
        session.wait,
        session.stop,
        lambda: session.send("Warmer"),
        heygen.account.me,
    ):
        with pytest.raises(ClientStateError, match="closed"):
            await call()

    assert requests == len(line.sent)


async def test_closing_ends_watches(heygen: HeyGen) -> None:
    """Whoever still watches when the client is closed is told, and no task stays."""
    session = await heygen.sessions.create(PROMPT)
    await pass_time(0)  # what kept the create while it was open ends
    before = tasks()
    told: list[str] = []

    async def watch() -> None:
        with pytest.raises(ClientStateError) as caught:
            await words(session.watch())
        told.append(str(caught.value))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(watch)
        await pass_time(5)
        await heygen.aclose()

    assert ["The client was closed while this watch was on."] * 3 == told
    assert before == tasks()


async def test_leaving_the_block_closes(service: Simulator) -> None:
    """`async with` closes the client, also when the block fails."""
    heygen = client(service)
    with pytest.raises(ZeroDivisionError):
        async with heygen:
            _ = 1 / 0

    assert "closed" in repr(heygen)


# -- the books --


async def test_statistics_agree_with_the_service(line: Line) -> None:
    """The client's numbers are those of the service's ledger, retries and refusals included."""
    async with client(line) as heygen:
        line.service.faults.add("rate_limit", on="create")
        line.service.faults.add("error_500", on="account")
        session = await heygen.sessions.create(PROMPT)
        await heygen.account.me()
        async with session.watch() as states:
            await anext(states)
            during = heygen.statistics()
            await anext(states)
        after = heygen.statistics()

    ledger = line.service.ledger
    assert (1, 0) == (during.watchers, after.watchers)
    assert ledger.total_requests == after.requests == len(line.sent)
    assert ledger.polls[session.id] == after.polls
    assert (2, 1) == (after.retries, after.rate_limited)
    assert after.bytes_received > 1000


async def test_statistics_stand_still(heygen: HeyGen) -> None:
    """A snapshot does not change any more, by us or by anybody."""
    before = heygen.statistics()
    await heygen.account.me()

    assert 0 == before.requests
    with pytest.raises(AttributeError):
        before.requests = 7  # type: ignore[misc]


# -- what it is given --


@pytest.mark.parametrize(
    "options",
    [
        {"max_connections": 0},
        {"requests_per_second": 0},
        {"requests_per_second": -1.0},
    ],
    ids=str,
)
async def test_limits_must_be_positive(service: Simulator, options: dict[str, float]) -> None:
    """A limit that would let nothing through is refused by name."""
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        client(service, **options)


def test_seconds_and_attempts_must_be_positive() -> None:
    """So is a time or a number of attempts that makes no sense."""
    with pytest.raises(InvalidArgument, match=r"timeouts\.read"):
        Timeouts(read=0)
    with pytest.raises(InvalidArgument, match=r"retry\.max_attempts"):
        RetryPolicy(max_attempts=0)
