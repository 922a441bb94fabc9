"""The batch example makes a folder of videos, and goes on where it was interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
from functools import partial
from typing import TYPE_CHECKING

import pytest

import batch as example
from heygen_async import HeyGen
from heygen_async.testing import MemoryTransport, Scenario, Simulator, run

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPTS = ["Espresso in 30 seconds", "How to froth milk", "Cleaning your machine", "A ristretto"]


def service(**options: object) -> Simulator:
    """Return a service with little room."""
    return Simulator(max_jobs=2, idempotency="ignored", **options)  # type: ignore[arg-type]


async def made(simulator: Simulator, folder: pathlib.Path, seconds: float | None = None) -> int:
    """Run the example, for so many seconds at most."""
    heygen = HeyGen("test-key", base_url=simulator.base_url, http=MemoryTransport(simulator))
    async with heygen:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await example.make(heygen, PROMPTS, folder)
    return -1


def test_it_makes_a_folder_of_videos(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line of the input becomes a video in the folder, and a line on the screen."""
    assert 0 == run(made, service(), tmp_path)
    assert [f"{n}.mp4" for n in range(1, 5)] == sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert 4 == capsys.readouterr().out.count(".mp4")


@pytest.mark.parametrize("moments", [[0.1, 0.1], [15, 30, 80], [100, 50, 50, 50], [3, 0.3, 40, 200]], ids=str)
def test_it_goes_on_where_it_was_interrupted(moments: list[float], tmp_path: pathlib.Path) -> None:
    """However often it is interrupted, in the end each video was made once."""

    async def often() -> Simulator:
        simulator = service()
        for moment in moments:
            await made(simulator, tmp_path, moment)
        assert 0 == await made(simulator, tmp_path)
        return simulator

    simulator = run(often)

    assert sorted(PROMPTS) == sorted(record.prompt for record in simulator.ledger.creates)
    assert 4 == len(list(tmp_path.glob("*.mp4")))
    assert 0 == run(made, simulator, tmp_path)
    assert 4 == len(simulator.ledger.creates)


def test_it_says_how_many_failed(tmp_path: pathlib.Path) -> None:
    """A failed video is counted, and made anew by the next run."""
    simulator = service()
    simulator.script(Scenario.failing("generating", mode="chat"), prompt="froth")

    assert 1 == run(made, simulator, tmp_path)
    assert 3 == len(list(tmp_path.glob("*.mp4")))

    simulator.script(Scenario.chat())
    assert 0 == run(made, simulator, tmp_path)
    assert 5 == len(simulator.ledger.creates)


def test_it_runs_without_a_key(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a key it talks to a simulated service."""
    monkeypatch.delenv("HEYGEN_API_KEY", raising=False)
    main: Callable[[], object] = partial(example.main, PROMPTS[:2], tmp_path, live=False)

    assert 0 == run(main)  # type: ignore[arg-type]
    assert 2 == len(list(tmp_path.glob("*.mp4")))
