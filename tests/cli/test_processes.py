"""The command as a process: how it ends, and what it leaves for the next."""
# ruff: noqa: TID251 - real processes need real time

from __future__ import annotations

import json
import os
import random
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

from cli.processes import COMMAND, HASTY, Program
from cli.terminal_user import as_csv
from heygen_async.testing import Scenario, Simulator, SimulatorServer

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from programs import Programs

JOBS: Final = 20
KILLS: Final = 3

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals for child processes")


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    """Real time: the command's is."""
    return "asyncio"


@pytest.fixture
async def server(anyio_backend: object) -> AsyncIterator[SimulatorServer]:
    """A service that makes a video in half a second."""
    async with SimulatorServer(Simulator(api_key="the-very-secret-key", speed=200)) as running:
        yield running


def write_jobs(folder: pathlib.Path, count: int = JOBS) -> list[str]:
    """Save a job file; return its keys."""
    rows = [{"key": f"video-{number}", "prompt": f"A tour of room {number}"} for number in range(count)]
    (folder / "jobs.csv").write_bytes(as_csv(rows))
    return [row["key"] for row in rows]


def lines_of(path: pathlib.Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_a_killed_batch_makes_each_video_once(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """Killed at three random moments and resumed each time, a batch has each job once, here and at the service."""
    keys = write_jobs(tmp_path)
    moments = random.Random(6)
    for _ in range(KILLS):
        program = await Program.started(programs, server, tmp_path, *HASTY)
        for _ in range(moments.randint(2, 40)):
            assert await program.event() is not None
        program.process.kill()
        await program.left()
    program = await Program.started(programs, server, tmp_path, *HASTY)
    left = await program.left()
    results = lines_of(tmp_path / "videos" / "results.jsonl")
    ledger = server.simulator.ledger

    assert (0, "") == (left.code, left.err)
    assert sorted(keys) == sorted(line["key"] for line in results)
    assert {"completed"} == {line["status"] for line in results}
    assert sorted(keys) == sorted(path.stem for path in (tmp_path / "videos").glob("*.mp4"))
    assert (JOBS, JOBS) == (len(ledger.creates), len({record.prompt for record in ledger.creates}))
    assert 0 == ledger.duplicate_creates


async def test_ctrl_c_keeps_what_was_begun(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """Ctrl-C once: nothing more is created, the exact command to go on is told, and it makes nothing twice."""
    keys = write_jobs(tmp_path, 15)
    command = (*COMMAND, "batch", "jobs.csv", "--out", "my videos", "--max-in-flight", "3", "--poll", "0.2")
    program = await Program.started(programs, server, tmp_path, *command)
    while "created" not in await program.line():
        pass
    program.process.send_signal(signal.SIGINT)
    left = await program.left()
    made = len(server.simulator.ledger.creates)

    assert 130 == left.code
    assert left.err.endswith(
        "To go on: heygen-async batch jobs.csv --out 'my videos' --max-in-flight 3 --poll 0.2 --resume\n"
    )
    assert "Traceback" not in left.err
    assert 1 <= made < 15
    program = await Program.started(programs, server, tmp_path, *command, "--resume")
    assert 0 == (await program.left()).code
    assert sorted(keys) == sorted(line["key"] for line in lines_of(tmp_path / "my videos" / "results.jsonl"))
    assert 15 == len(server.simulator.ledger.creates)


async def test_ctrl_c_twice_ends_it_at_once(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """The second Ctrl-C does not wait for a create whose answer does not come; its intent is on the disk."""
    write_jobs(tmp_path, 1)
    server.simulator.faults.add("silence", on="create", times=None)
    program = await Program.started(
        programs, server, tmp_path, *COMMAND, "batch", "jobs.csv", "--out", "v", "--json"
    )
    while (await program.event() or {})["event"] != "creating":
        pass
    while not server.simulator.ledger.creates:
        await turn()
    while program.process.returncode is None:  # two that come as one would be one
        program.process.send_signal(signal.SIGINT)
        await turn()
    left = await program.left()

    assert (130, "") == (left.code, left.err)
    assert "job" in lines_of(tmp_path / "v" / "journal.jsonl")[1]


async def turn() -> None:
    """Let the other process do something."""
    await anyio.sleep(0.05)


async def test_ctrl_c_while_watching_tells_how_to_go_on(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """One session left by Ctrl-C is told with the command that goes on with it."""
    server.simulator.script(Scenario.stuck())
    program = await Program.started(programs, server, tmp_path, *COMMAND, "run", "A tour")
    session = (await program.line()).split()[1]
    program.process.send_signal(signal.SIGINT)
    left = await program.left()

    assert (130, f"hint     The session goes on without you: heygen-async download {session}\n") == (
        left.code,
        left.err,
    )


async def test_a_question_can_be_left_by_ctrl_c(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """Waiting for a line of input is no obstacle to leaving."""
    program = await Program.started(
        programs, server, tmp_path, *COMMAND, "run", "A tour", "--review", "--json", "--poll", "0.2"
    )
    while (await program.event() or {})["event"] != "asks":
        pass
    program.process.send_signal(signal.SIGINT)
    assert 130 == await program.process.wait()  # while its input is still open
    left = await program.left()

    assert left.err.startswith("hint     The session goes on")
    assert 1 == left.err.count("\n")


async def test_a_pipe_can_be_left_by_ctrl_c(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """Jobs that somebody is still writing are no obstacle to leaving."""
    program = await Program.started(programs, server, tmp_path, *COMMAND, "batch", "-", "--out", "v")
    assert program.process.stdin is not None
    program.process.stdin.write(b"prompt\n" * 100_000)
    await program.process.stdin.drain()  # more than a pipe holds, so it is reading
    program.process.send_signal(signal.SIGINT)
    assert 130 == await program.process.wait()
    left = await program.left()

    assert "" == left.err
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(
    ("closed", "words", "end"),
    [
        pytest.param(">&-", ("sessions",), (0, ""), id="output"),
        pytest.param("2>&-", ("watch", "--no-such-option"), (2, ""), id="errors"),
        pytest.param("<&-", ("batch", "-", "--out", "v"), (2, "line 1"), id="jobs"),
        pytest.param(
            "<&-", ("run", "A tour", "--review", "--poll", "0.2"), (1, "no more input"), id="answers"
        ),
    ],
)
async def test_closed_streams_are_no_error(
    server: SimulatorServer,
    programs: Programs,
    tmp_path: pathlib.Path,
    closed: str,
    words: tuple[str, ...],
    end: tuple[int, str],
) -> None:
    """Where a program gave us no input or output, as a service may, nothing is read and nobody is told."""
    shell = ("sh", "-c", f'exec "$@" {closed}', "sh")
    left = await (await Program.started(programs, server, tmp_path, *shell, *COMMAND, *words)).left()

    assert end[0] == left.code
    assert end[1] in left.err
    assert "Traceback" not in left.err


async def test_a_full_disk_tells_how_to_go_on(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """When the report cannot be written any more, the run ends with its name, the reason and the next command."""
    write_jobs(tmp_path, 1)
    server.simulator.script(Scenario.failing("thinking"))
    (tmp_path / "v").mkdir()
    before = {"key": "before", "status": "completed", "job": "", "padding": "x" * 1900}
    (tmp_path / "v" / "results.jsonl").write_text(json.dumps(before) + "\n", encoding="utf-8")
    shell = ("sh", "-c", 'ulimit -f 4; PYTHONDONTWRITEBYTECODE=1 exec "$@"', "sh")  # 2,048 bytes a file
    words = ("batch", "jobs.csv", "--out", "v", "--resume")
    left = await (await Program.started(programs, server, tmp_path, *shell, *COMMAND, *words)).left()

    assert 1 == left.code
    assert (
        "error    v/results.jsonl: File too large\n"
        "hint     Nothing is lost. To go on: "
        "heygen-async batch jobs.csv --out v --resume\n"
    ) == left.err


async def test_the_log_keeps_off_the_screen(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path
) -> None:
    """What the library logs, such as a status it does not know, is not written between the lines."""
    server.simulator.faults.add("unknown_status", on="get")
    program = await Program.started(programs, server, tmp_path, *COMMAND, "run", "A tour", "--poll", "0.2")
    left = await program.left()

    assert (0, "") == (left.code, left.err)
    assert "processing" in left.out


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("run", "A tour", "--poll", "0.2", "--json"), id="run"),
        pytest.param(("batch", "jobs.csv", "--out", "v", "--poll", "0.2"), id="batch"),
        pytest.param(("--help",), id="help"),
    ],
)
async def test_nobody_listening_is_no_error(
    server: SimulatorServer, programs: Programs, tmp_path: pathlib.Path, words: tuple[str, ...]
) -> None:
    """`| head` ends the command without a word."""
    write_jobs(tmp_path, 2)
    read, write = os.pipe()
    os.close(read)
    program = await Program.started(programs, server, tmp_path, *COMMAND, *words, stdout=write)
    os.close(write)
    left = await program.left()

    assert (141, "") == (left.code, left.err)
