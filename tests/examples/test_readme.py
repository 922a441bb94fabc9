"""What the front page and the guides say is true: their blocks run, their commands and names exist."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import re
import runpy
import shlex
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
import pytest
from cyclopts import CycloptsError

import heygen_async
from heygen_async import Cadence, HeyGen, backplane, durable, testing
from heygen_async._cli.app import app as command
from heygen_async.testing import MemoryTransport, Simulator, SimulatorServer, pytest_plugin, run
from heygen_async.testing.__main__ import parser
from repository import house

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator
    from types import CodeType

    from _pytest.mark.structures import ParameterSet

TEXT: Final = "\n".join(page.read_text(encoding="utf-8") for page in house.PAGES)


def python_blocks() -> Iterator[ParameterSet]:
    """Every block of Python, by its page and the number of the line it starts at."""
    for page in house.PAGES:
        text = page.read_text(encoding="utf-8")
        for block in house.blocks(page, "python"):
            line = text[: text.index(block)].count("\n") + 1
            yield pytest.param(block, id=f"{page.stem} line {line}")


# ---- blocks of Python ---------------------------------------------------------------------------------------------


async def hold(code: CodeType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a block as `python -m asyncio` would, after the tour: with its `heygen` and its `session`."""
    async with SimulatorServer(Simulator()) as server:
        monkeypatch.setenv("HEYGEN_API_KEY", server.simulator.api_key)
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        async with HeyGen() as heygen:
            session = await heygen.sessions.create("A 30-second intro to our espresso machine")
            await eval(code, {"heygen": heygen, "session": session})


def run_tests(block: str, folder: pathlib.Path) -> None:
    """Run a block that is a test module."""
    (folder / "test_block.py").write_text(block, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-W", "error", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("block", list(python_blocks()))
def test_every_block_runs(block: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who copies a block gets a block that works."""
    monkeypatch.chdir(tmp_path)
    code = compile(block, "page.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if "def test_" in block:
        run_tests(block, tmp_path)
    elif code.co_flags & inspect.CO_COROUTINE:
        run(partial(hold, code, monkeypatch))
    elif "opentelemetry" in block:
        pytest.skip("changes the whole process: tests/socket/test_tracing.py runs it and undoes it")
    else:
        monkeypatch.setenv("HEYGEN_API_KEY", "a-key")
        exec(code, {})


# ---- the demo -----------------------------------------------------------------------------------------------------


def without_digits(text: str) -> list[str]:
    """The lines of a run, without ids, ports and seconds."""
    return [re.sub(r"[0-9a-f]{16}|\d+", "#", line) for line in text.splitlines()]


def test_the_demo_is_shown_as_it_is(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a reader sees on the page is what the command then prints."""
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(house.ROOT / "examples" / "interactive_session.py"))["main"]
    [shown] = house.blocks(house.README, "text")
    run(partial(main, "A 30-second intro to our espresso machine", live=False))

    assert without_digits(shown) == without_digits(capsys.readouterr().out)[2:]


# ---- commands -----------------------------------------------------------------------------------------------------


def commands() -> list[list[str]]:
    """Every command of the pages once, as words, without its comment."""
    lines = [
        line.partition(" #")[0]
        for page in house.PAGES
        for each in house.blocks(page, "console")
        for line in each.splitlines()
    ]
    return [part.split() for part in sorted({part.strip() for line in lines for part in line.split("&&")})]


def understood(words: list[str]) -> object:
    """What the command makes of some words, without doing it."""
    try:
        return command.parse_args(words)
    except CycloptsError as error:
        return error


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_exists(words: list[str]) -> None:
    """A reader who types a command gets what it promises."""
    match words:
        case ["pip", "install", package]:
            assert package in {".", '".[cli]"'}
        case ["python3", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"]:
            pass
        case ["heygen-async", *_]:
            assert not isinstance(error := understood(shlex.split(" ".join(words))[1:]), CycloptsError), error
        case ["nox", "-s", session]:
            assert session in house.nox_sessions()
        case ["python", "-m", module, *options]:
            assert importlib.util.find_spec(f"{module}.__main__") is not None
            assert parser().parse_args(options) is not None
        case _:
            pytest.fail(f"nobody knows how to check {words}")


def test_every_nox_session_is_listed() -> None:
    """A developer finds every check of the project on the page."""
    listed = {words[2] for words in commands() if words[0] == "nox"}

    assert house.nox_sessions() == listed


# ---- names --------------------------------------------------------------------------------------------------------


def code_words(text: str) -> list[str]:
    """The names in backquotes outside of blocks, without their arguments."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    quoted = [re.sub(r"\(.*", "", word) for word in re.findall(r"`([^`\n]+)`", prose)]
    named = r"(?!HEYGEN_|REDIS_|AWS_|AZURE_|GOOGLE_|GET\b)(?:[A-Z]|heygen|session\b|video\b)[\w.]*"
    return sorted({word for word in quoted if re.fullmatch(named, word)})


def signals() -> set[str]:
    """What spans, metrics and their attributes are called; some begin alike and end with a dot here."""
    sources = (house.ROOT / "heygen_async" / "otel").glob("*.py")
    return {
        name for source in sources for name in re.findall(r'"(heygen\.[\w.]*)', source.read_text("utf-8"))
    }


def exists(name: str) -> bool:
    """Whether a reader can use what a name stands for, or sees it in a trace."""
    if any(name == signal or (signal.endswith(".") and name.startswith(signal)) for signal in signals()):
        return True
    if name.partition(".")[0] == "heygen_async":
        return importlib.util.find_spec(name) is not None
    first, *rest = name.split(".")
    of_the_tour = {"heygen": HeyGen("a-key"), "session": heygen_async.Session, "video": heygen_async.Video}
    places = (heygen_async, backplane, durable, testing, pytest_plugin)
    found: object = of_the_tour.get(first) or next(
        filter(None, (getattr(p, first, None) for p in places)), None
    )
    for part in rest:
        found = getattr(found, part, None)
    return found is not None


@pytest.mark.parametrize("name", code_words(TEXT))
def test_every_name_exists(name: str) -> None:
    """A name on a page is a name in the package."""
    assert exists(name)


# ---- claims -------------------------------------------------------------------------------------------------------


async def polls_of(readers: int) -> int:
    """The number of polls that a session costs which so many read to its end."""
    simulator = Simulator()
    transport = MemoryTransport(simulator)
    async with HeyGen(simulator.api_key, http=transport, cadence=Cadence.constant(3)) as heygen:
        session = await heygen.sessions.create("A tour of our bakery")
        async with asyncio.TaskGroup() as pages:
            for _ in range(readers):
                pages.create_task(heygen.sessions.attach(session.id).wait())
        return heygen.statistics().polls


def test_many_watchers_cost_the_polls_of_one() -> None:
    """A session that twenty people watch is polled as often as one that nobody else watches."""
    assert run(polls_of, 1) == run(polls_of, 20)


async def test_sync_code_makes_videos(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function for sync code saves a video of each prompt, from a thread that has no event loop."""
    [block] = [each for each in house.blocks(house.README, "python") if "start_blocking_portal" in each]
    names: dict[str, Any] = {}
    exec(block, names)

    def make_videos() -> list[pathlib.Path]:
        return list(names["make_videos"](["Espresso", "Froth"], f"{tmp_path}/videos/"))

    async with SimulatorServer(Simulator(speed=200)) as server:
        monkeypatch.setenv("HEYGEN_API_KEY", server.simulator.api_key)
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        made = await anyio.to_thread.run_sync(make_videos)

    assert [True, True] == [path.stat().st_size > 0 for path in made]
