"""Pauses of a durable batch: who answers them, whenever that is, and that nobody does it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from durable.campaign import PATIENCE, campaign, client, ended, films, service
from heygen_async import Approve, InvalidArgument, Reply, SessionFailed, Stop
from heygen_async.testing import Simulator

if TYPE_CHECKING:
    from heygen_async import Session, SessionState

pytestmark = pytest.mark.durable


async def test_a_review_survives_closing(database: str) -> None:
    """A pause without a reviewer waits in the database, and may be answered by a process that does no work."""
    simulator = service()
    await paused(database, simulator)
    async with campaign(database, simulator, work=False) as batch:
        first, second = await batch.pending_reviews()
        await batch.answer(first.key, Approve())
        await batch.answer(second.key, Reply(message="Warmer colours, please"))
        with pytest.raises(InvalidArgument):
            await batch.answer(first.key, Approve())
    async with campaign(database, simulator, reviewer=Approve()) as batch:
        outcomes = await ended(batch)

    assert first.state.is_paused
    assert first.state.messages
    assert all(outcome.ok for outcome in outcomes.values())
    assert 2 == len(simulator.ledger.creates)
    assert 1 == sum("Warmer" in message.text for message in simulator.ledger.messages)


async def paused(database: str, simulator: Simulator) -> None:
    """Leave a batch whose two jobs wait for a reviewer."""
    async with campaign(database, simulator) as batch:
        await batch.submit(films(2, mode="chat"))
        with anyio.fail_after(PATIENCE):
            while len(await batch.pending_reviews()) < 2:
                await anyio.sleep(0.05)


async def test_one_answer_for_all_reaches_earlier_pauses(database: str) -> None:
    """A worker that approves whatever is asked also approves what was asked while nobody did."""
    simulator = service()
    await paused(database, simulator)
    async with campaign(database, simulator, reviewer=Approve()) as batch:
        outcomes = await ended(batch)

    assert all(outcome.ok for outcome in outcomes.values())
    assert 2 == len(simulator.ledger.messages)


async def test_a_pause_answered_elsewhere_is_not_answered_again(sqlite: str) -> None:
    """A session that somebody approved by hand while its job waited is taken as it is, and not paid for again."""
    simulator = service()
    await paused(sqlite, simulator)
    async with client(simulator) as heygen:
        for session_id in simulator.ledger.sessions:
            await heygen.sessions.attach(session_id).approve()
            await heygen.sessions.attach(session_id).video()
    async with campaign(sqlite, simulator, reviewer=Approve()) as batch:
        outcomes = await ended(batch)

    assert all(outcome.ok for outcome in outcomes.values())
    assert 2 == len(simulator.ledger.messages)


async def test_a_pause_answered_elsewhere_is_noticed_while_nobody_answers_here(sqlite: str) -> None:
    """A job that waits for an answer goes on once its session was approved on the service's own page."""
    simulator = service()
    async with campaign(sqlite, simulator) as batch, client(simulator) as heygen:
        await batch.submit(films(1, mode="chat"))
        with anyio.fail_after(PATIENCE):
            while not await batch.pending_reviews():
                await anyio.sleep(0.05)
        await heygen.sessions.attach(simulator.ledger.sessions[0]).approve()
        with anyio.fail_after(PATIENCE):
            outcomes = await ended(batch)

    assert outcomes["film-0"].ok
    assert 1 == len(simulator.ledger.messages)


async def test_a_waiting_review_holds_no_place(sqlite: str) -> None:
    """Jobs that wait for a slow reviewer do not keep others from being made."""
    simulator = service()
    open_up = anyio.Event()

    async def slow(_session: Session, _state: SessionState) -> Approve:
        await open_up.wait()
        return Approve()

    async with campaign(sqlite, simulator, reviewer=slow, max_in_flight=2) as batch:
        await batch.submit(films(6, mode="chat"))
        with anyio.fail_after(PATIENCE):
            while (await batch.status(jobs=False)).counts.get("reviewing", 0) < 6:
                await anyio.sleep(0.05)
        open_up.set()
        outcomes = await ended(batch)

    assert all(outcome.ok for outcome in outcomes.values())
    assert simulator.ledger.max_in_progress <= 2


async def test_a_reviewer_is_asked_again_after_a_restart(database: str) -> None:
    """A reviewer whose process ended while it thought is asked anew by the next one."""
    simulator = service()
    asked: list[str] = []

    async def never(session: Session, _state: SessionState) -> Approve:
        asked.append(session.id)
        await anyio.sleep_forever()
        raise AssertionError

    async with campaign(database, simulator, reviewer=never) as batch:
        await batch.submit(films(1, mode="chat"))
        with anyio.fail_after(PATIENCE):
            while not asked:
                await anyio.sleep(0.05)

    def says_yes(_session: Session, state: SessionState) -> Approve:
        asked.append(state.session_id)
        return Approve()

    async with campaign(database, simulator, reviewer=says_yes) as batch:
        outcomes = await ended(batch)

    assert outcomes["film-0"].ok
    assert [asked[0], asked[0]] == asked


async def test_a_reviewer_may_stop_a_session(sqlite: str) -> None:
    """Stop as an answer ends the session at its next checkpoint, and the job with it."""
    simulator = service()
    async with campaign(sqlite, simulator, reviewer=Stop()) as batch:
        await batch.submit(films(1, mode="chat"))
        outcomes = await ended(batch)

    assert isinstance(outcomes["film-0"].error, SessionFailed)
    assert simulator.ledger.sessions == simulator.ledger.stops
