"""The example does what a newcomer is promised, also when it is interrupted or refused."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
from functools import partial
from types import ModuleType
from typing import Final

import anyio
import pytest

from heygen_async import ConnectFailed, HeyGen, SessionFailed
from heygen_async.testing import MemoryTransport, Scenario, Simulator, SimulatorServer, run
from programs import Programs
from repository import house

EXAMPLE: Final = house.ROOT / "examples" / "interactive_session.py"
COMMAND: Final = [sys.executable, "-u", "-W", "error", str(EXAMPLE)]
PROMPT: Final = "A tour of our bakery"


@pytest.fixture(name="example")
def _example(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example as a module, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("interactive_session", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment(**extra: str) -> dict[str, str]:
    """The environment of a user: nothing of this test run in it."""
    ours = ("COV", "PYTEST", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | extra


async def converse(example: ModuleType, scenario: Scenario) -> Simulator:
    """Hold the example's conversation with a service that lives like this."""
    simulator = Simulator(scenario=scenario)
    async with HeyGen(simulator.api_key, http=MemoryTransport(simulator)) as heygen:
        await example.converse(heygen, PROMPT)
    return simulator


def test_the_example_is_short() -> None:
    """A newcomer sees the whole program on one page."""
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60


def test_the_conversation_is_shown_from_prompt_to_video(
    example: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every transition, message, picture and the file are shown, each on a line."""
    run(partial(example.main, PROMPT, live=False))
    told = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line]
    states = [words[1].rpartition(" ")[2] for words in told if words[0] == "status"]
    [video] = pathlib.Path.cwd().glob("*.mp4")

    assert ["thinking", "reviewing", "thinking", "reviewing", "generating", "completed"] == states
    assert [PROMPT, "Warmer opening shot, please", "(approves)"] == [w[1] for w in told if w[0] == "you"]
    assert 6 == sum(words[0].startswith("http://127.0.0.1:") for words in told)
    assert ["video", f"{video.name}, {video.stat().st_size:,} bytes, 4.0 s"] == told[-1]


def test_the_demo_runs_again(example: ModuleType) -> None:
    """A second run in the same folder ends as well as the first."""
    for _ in range(2):
        run(partial(example.main, PROMPT, live=False))


def test_a_question_of_the_agent_is_answered(example: ModuleType) -> None:
    """An agent that asks something first gets an answer, and the conversation goes on to one video."""
    simulator = run(converse, example, Scenario.question())

    assert "Please decide that for me." == simulator.ledger.messages[0].text
    assert 1 == len(simulator.ledger.billed)


def test_a_failure_ends_the_conversation(example: ModuleType) -> None:
    """A session that fails is not spoken to any more."""
    with pytest.raises(SessionFailed):
        run(converse, example, Scenario.failing("thinking"))


def test_the_demo_takes_some_seconds(example: ModuleType) -> None:
    """A newcomer can follow the conversation, and need not wait for the video."""

    async def timed() -> float:
        began = asyncio.get_running_loop().time()
        await example.main(PROMPT, live=False)
        return asyncio.get_running_loop().time() - began

    assert 10 <= run(timed) <= 15


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
@pytest.mark.parametrize("line", ["you ", "session ", "status "])
def test_ctrl_c_ends_it(programs: Programs, line: str, tmp_path: pathlib.Path) -> None:
    """Interrupted at any moment, it says so in one plain line, without traceback or a video; a session is named."""
    pipe = subprocess.PIPE
    program = programs.start(*COMMAND, cwd=tmp_path, env=environment(), stdout=pipe, stderr=pipe)
    assert program.stdout is not None
    while not program.stdout.readline().startswith(line):
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    said, complaints = program.communicate()

    named = (
        "A cancelled create has made session sess_",
        "Sessions nobody has got: sess_",
    )  # in the midst of a create
    assert program.returncode == 130
    assert all(complaint.startswith(named) for complaint in complaints.splitlines())
    assert "  Interrupted; a live session goes on at the service." == said.splitlines()[-1]
    assert [] == list(tmp_path.iterdir())


async def test_a_wrong_key_is_explained_in_two_lines(tmp_path: pathlib.Path) -> None:
    """A refused key ends the program with the error and what to do about it, without the key."""
    async with SimulatorServer(Simulator(api_key="right-key")) as server:
        env = environment(HEYGEN_API_KEY="wrong-key", HEYGEN_API_BASE=server.url)
        done = await anyio.run_process([*COMMAND, "--live"], cwd=tmp_path, env=env, check=False)
    error, hint = done.stderr.decode().splitlines()

    assert 1 == done.returncode
    assert error.startswith("Unauthorized: 401 ")
    assert "HEYGEN_API_KEY" in hint
    assert "wrong-key" not in error + hint


def test_no_key_is_explained_in_two_lines(tmp_path: pathlib.Path) -> None:
    """Without a key the program says how to get one and how to set it."""
    done = subprocess.run(
        [*COMMAND, "--live"], cwd=tmp_path, env=environment(), text=True, capture_output=True, check=False
    )
    error, hint = done.stderr.splitlines()

    assert (1, "") == (done.returncode, done.stdout)
    assert error.startswith("ConfigError: No API key")
    assert "export HEYGEN_API_KEY=" in hint


def test_a_service_that_is_gone_is_named(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing answers, the error says where that was and that nothing was sent."""
    monkeypatch.setenv("HEYGEN_API_KEY", "a-key")
    monkeypatch.setenv("HEYGEN_API_BASE", "http://127.0.0.1:9")
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1:9") as caught:
        run(partial(example.main, PROMPT, live=True))

    assert "nothing was sent" in caught.value.hint
