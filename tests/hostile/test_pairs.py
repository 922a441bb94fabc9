"""Never twice, and never silent, against a service that keeps the contract and nothing else."""

from __future__ import annotations

import os
import pathlib

import anyio
import pytest

import loops
from hostile import model_play, rows
from hostile.flows import Flow
from hostile.known import KNOWN, wrong_pairs
from hostile.play import Row, play_over_sockets
from hostile.summary import summarise, within
from hostile.table import table
from hostile.verdict import judge

each = pytest.mark.parametrize
each_flow = each("flow", list(Flow), ids=str)
SHORT = [(Flow.CREATE, True), (Flow.CREATE, False), (Flow.SEND, True)]
AT_ONCE = 60  # rows over sockets: they wait more than they work


@pytest.fixture
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in real time: a virtual clock would not wait for what is on its way through a socket."""
    return loops.backend(pytestconfig)


@pytest.mark.pairs
@pytest.mark.timeout(900)
def test_all_pairs_of_dials() -> None:
    """With any two dials turned nothing is paid twice, lost, denied or doubted without need, but in the known rows."""
    assert sorted(KNOWN) == wrong_pairs()


@pytest.mark.pairs
@pytest.mark.timeout(900)
def test_table_tells_what_happens() -> None:
    """The table in the repository says of each dial what a user really sees of it today."""
    written = (pathlib.Path(__file__).parent.parent / "fault_table.md").read_text(encoding="utf-8")

    assert written.endswith(table()), "write it again: PYTHONPATH=tests python tests/sessions/fault_table.py"


@pytest.mark.pairs
@pytest.mark.timeout(900)
async def test_every_break_over_sockets() -> None:
    """The same over sockets, wherever a connection breaks."""
    played = list(rows.playable(rows.over_sockets()))
    wrong: list[str] = []
    limit = anyio.CapacityLimiter(AT_ONCE)

    async def play(row: Row, name: str) -> None:
        async with limit:
            findings = judge(await play_over_sockets(row, name))
        wrong.extend(f"{finding}: {row.command}" for finding in findings)

    async with anyio.create_task_group() as group:
        for number, row in enumerate(played):
            group.start_soon(play, row, f"row{number}x")

    assert len(played) > 50
    assert [] == sorted(wrong)


@pytest.mark.hostile
@pytest.mark.timeout(3600)
@each_flow
@each("clear", [True, False], ids=["where-the-truth-can-be-known", "anywhere"])
def test_all_triples_of_dials(flow: Flow, clear: bool) -> None:
    """The same with any three dials turned."""
    summary = summarise(rows.playable(rows.covering(flow, 3, clear=clear)))

    assert 0 == summary.wrong, str(summary)


@pytest.mark.hostile
@pytest.mark.timeout(3600)
def test_rows_as_they_come() -> None:
    """The same with dials turned at random, for half an hour or for HOSTILE_SECONDS."""
    seconds, seed = float(os.environ.get("HOSTILE_SECONDS", "1800")), int(os.environ.get("HOSTILE_SEED", "1"))
    summary = summarise(within(seconds, rows.playable(rows.at_random(seed))))

    assert 0 == summary.wrong, f"seed {seed}: {summary}"


@pytest.mark.hostile
@pytest.mark.timeout(900)
@each(("flow", "clear"), SHORT)
def test_what_is_asked_for_can_be_done(flow: Flow, clear: bool) -> None:
    """A client that is nothing but careful, and knows no dial, goes wrong nowhere."""
    summary = summarise(rows.covering(flow, clear=clear), play=model_play.play)

    assert 0 == summary.wrong, str(summary)


@pytest.mark.hostile
@pytest.mark.timeout(3600)
@each("flow", model_play.FLOWS, ids=str)
@each("clear", [True, False], ids=["where-the-truth-can-be-known", "anywhere"])
def test_all_of_what_is_asked_for_can_be_done(flow: Flow, clear: bool) -> None:
    """The same in every flow that it plays, and with any three dials turned."""
    summary = summarise(rows.covering(flow, 3, clear=clear), play=model_play.play)

    assert 0 == summary.wrong, str(summary)
