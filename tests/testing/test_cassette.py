"""A simulator that plays from the cassette of a probe."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from flows import client
from heygen_async import SessionFailed
from heygen_async.testing import Line, Scenario, Simulator, Step
from heygen_async.testing.__main__ import build, parser
from testing.probed import probed

if TYPE_CHECKING:
    from heygen_async import HeyGen

LIVES = {
    "chat": Scenario.chat(),
    "question": Scenario.question(),
    "video known at once": Scenario.chat().with_video_at("create"),
    "late video": Scenario.chat().with_lag(video=100),
    "a new word": Scenario(
        opening=(
            Step(status="processing", seconds=40, says=(Line(content="Let me think."),)),
            Step(status="reviewing", progress=(40, 40), says=(Line(content="Here it is.", pictures=2),)),
        )
    ),
}


async def flow(heygen: HeyGen, folder: pathlib.Path) -> list[str]:
    """What a program might do: watch, answer, approve, download; the transitions it saw, without their times."""
    session = await heygen.sessions.create("A tour of our bakery")
    seen: list[str] = []
    async with session.watch(until={"completed", "failed"}) as states:
        async for state in states:
            seen.append(str(state.status))
            if state.status == "waiting_for_input":
                assert state.new_messages
                await session.send("Newcomers.")
            if state.status == "reviewing":
                assert len(await session.resources()) > 0
                await session.approve()
    video = await session.video()
    path = await video.download(folder / f"{session.id}.mp4", overwrite=True)

    assert path.name.startswith(session.id)
    return seen


async def record(scenario: Scenario, path: pathlib.Path) -> None:
    """Have a probe record a simulator."""
    report = await probed(Simulator(scenario=scenario))
    await report.save_cassette(path)


async def load(path: pathlib.Path) -> Scenario:
    """The scenario of a cassette; reading a file would block the loop."""
    return await anyio.to_thread.run_sync(Scenario.from_cassette, path)


@pytest.mark.parametrize("life", LIVES)
async def test_a_flow_passes_against_the_cassette_too(life: str, tmp_path: pathlib.Path) -> None:
    """What passes against the simulator passes against the simulator that answers as it was recorded."""
    recorded = tmp_path / "cassette.json"
    await record(LIVES[life], recorded)
    seen: list[list[str]] = []
    for scenario in (LIVES[life], await load(recorded)):
        async with client(Simulator(scenario=scenario)) as heygen:
            seen.append(await flow(heygen, tmp_path))

    assert seen[0] == seen[1]
    assert "completed" == seen[0][-1]


async def test_a_recorded_failure_fails_again(tmp_path: pathlib.Path) -> None:
    """A session that failed while it was recorded fails for the same code, and its words are not told."""
    recorded = tmp_path / "cassette.json"
    await record(Scenario.failing("generating", mode="chat"), recorded)
    simulator = Simulator(scenario=await load(recorded))
    async with client(simulator) as heygen:
        session = await heygen.sessions.create("A tour")
        await session.wait()
        await session.approve()
        with pytest.raises(SessionFailed) as caught:
            await session.video()

    assert "synthesized" not in str(caught.value)


async def test_a_cassette_without_a_session_says_how_to_get_one(tmp_path: pathlib.Path) -> None:
    """The cassette of a probe that did not pay has no life to play."""
    report = await probed(pay=False)
    await report.save_cassette(tmp_path / "free.json")

    with pytest.raises(ValueError, match="--pay"):
        await load(tmp_path / "free.json")


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": 1}', '{"format": 9, "heygen_async": "9", "exchanges": []}']
)
def test_another_file_is_no_cassette(content: str, tmp_path: pathlib.Path) -> None:
    """A file that is no cassette is refused by its name."""
    path = tmp_path / "notes.json"
    path.write_text(content)

    with pytest.raises(ValueError, match=r"notes\.json"):
        Scenario.from_cassette(path)


async def test_the_simulator_of_the_command_line_plays_a_cassette(tmp_path: pathlib.Path) -> None:
    """`--cassette` gives every session the recorded life."""
    recorded = tmp_path / "cassette.json"
    await record(Scenario.question(), recorded)
    words = [f"--cassette={recorded}"]
    simulator = await anyio.to_thread.run_sync(lambda: build(parser().parse_args(words)))
    async with client(simulator) as heygen:
        session = await heygen.sessions.create("A tour", mode="chat")
        state = await session.wait()

    assert "waiting_for_input" == state.status
