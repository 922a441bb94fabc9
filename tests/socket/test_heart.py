"""What the package is for, over real sockets: `nox -s smoke` runs this file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heygen_async import Approve, Cadence, HeyGen, Reply, Session, SessionState
from heygen_async.testing import Scenario, Simulator, SimulatorServer

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator


@pytest.fixture
async def server(anyio_backend: object) -> AsyncIterator[SimulatorServer]:
    """A service in a hurry, on loopback."""
    async with SimulatorServer(Simulator(speed=200)) as server:
        yield server


@pytest.fixture
async def heygen(server: SimulatorServer) -> AsyncIterator[HeyGen]:
    """A client of it."""
    quick = Cadence.constant(0.2)
    async with HeyGen(server.simulator.api_key, base_url=server.url, cadence=quick) as heygen:
        yield heygen


async def test_a_chat_session_becomes_a_video(heygen: HeyGen, tmp_path: pathlib.Path) -> None:
    """A prompt is reviewed, revised, approved and downloaded."""

    def review(session: Session, state: SessionState) -> Reply | Approve:
        is_first = not any(
            message.role == "user" and "Warmer" in message.content for message in state.messages
        )
        return Reply(message="Warmer opening shot, please") if is_first else Approve()

    session = await heygen.sessions.create("A tour of our bakery")
    video = await session.converse(review)
    path = await video.download(tmp_path)

    assert b"ftyp" == path.read_bytes()[4:8]


async def test_a_create_whose_answer_is_lost_is_paid_once(server: SimulatorServer, heygen: HeyGen) -> None:
    """The connection breaks after the service made the session: the caller gets that session."""
    server.simulator.faults.add("reset_after_processing", on="create", after=1)

    session = await heygen.sessions.create("A tour of our bakery", mode="generate")

    ledger = server.simulator.ledger
    assert [session.id] == [created.session_id for created in ledger.creates]
    assert 0 == ledger.duplicate_creates


async def test_a_batch_brings_every_video(
    server: SimulatorServer, heygen: HeyGen, tmp_path: pathlib.Path
) -> None:
    """Each job ends once, with its file."""
    server.simulator.script(Scenario.generate())
    jobs = [f"Recipe number {number}" for number in range(5)]

    async with heygen.batch(jobs, max_in_flight=3, reviewer=Approve(), download_to=tmp_path) as run:
        outcomes = [outcome async for outcome in run]

    assert 5 == len({outcome.path for outcome in outcomes if outcome.error is None})
    assert 0 == server.simulator.ledger.duplicate_creates
