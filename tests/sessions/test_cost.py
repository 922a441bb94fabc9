"""What a session costs in requests while nothing goes wrong: as few as there can be."""

from __future__ import annotations

from flows import Line, client
from heygen_async import SessionStatus
from heygen_async.testing import Scenario
from sessions.losses import PROMPT, served


def requests(line: Line) -> list[str]:
    """Return the methods of all requests so far, oldest first."""
    return [sent.method for sent in line.sent]


async def test_create_is_one_request() -> None:
    """An undisturbed create sends its POST and nothing else, also after the client has closed."""
    line = Line(served())
    async with client(line) as heygen:
        await heygen.sessions.create(PROMPT)

    assert ["POST"] == requests(line)


async def test_send_is_one_request() -> None:
    """A message to a session that was read sends its POST and nothing else."""
    line = Line(served(scenario=Scenario.chat()))
    async with client(line) as heygen:
        session = await heygen.sessions.create(PROMPT)
        await session.wait()
        line.sent.clear()
        await session.send("Warmer, please.")

    assert ["POST"] == requests(line)


async def test_watch_is_three_reads() -> None:
    """A session is watched to its first pause with three reads of it, and of nothing else."""
    line = Line(served(scenario=Scenario.chat()))
    async with client(line) as heygen:
        session = await heygen.sessions.create(PROMPT)
        line.sent.clear()
        statuses = [state.status async for state in session.watch()]

    assert SessionStatus.REVIEWING == statuses[-1]
    assert {"GET"} == set(requests(line))
    assert {f"/v3/video-agents/{session.id}"} == {sent.path for sent in line.sent}
    assert 3 == len(line.sent)
