"""How the command is started and left."""

from __future__ import annotations

import asyncio
import importlib.metadata
import signal
import subprocess
import sys

import anyio
import anyio.lowlevel
import pytest

from heygen_async import __main__ as entry
from heygen_async._cli.app import begin
from heygen_async._cli.interrupt import run_interruptible

# As if an extra's package were not installed: the import system is told that it has none.
WITHOUT = """
import sys
sys.modules[{name!r}] = None
from heygen_async.__main__ import main
sys.exit(main(["--help"]))
"""


def test_the_command_is_installed() -> None:
    """`heygen-async` and `python -m heygen_async` are the same."""
    [command] = importlib.metadata.entry_points(group="console_scripts", name="heygen-async")

    assert entry.main is command.load()


@pytest.mark.parametrize("name", ["cyclopts", "rich"])
def test_without_the_extra_it_says_how_to_get_it(name: str) -> None:
    """Where only the library is installed, the command says in words what to install."""
    code = WITHOUT.format(name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (2, "") == (done.returncode, done.stdout)
    assert 'pip install "heygen-async[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_package_is_not_taken_for_a_missing_extra() -> None:
    """A module of the package itself that is not there is told as what it is."""
    code = WITHOUT.format(name="heygen_async._cli.exit_codes")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "heygen_async._cli.exit_codes" in done.stderr


def test_without_words_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    """`heygen-async` alone lists its commands and its exit codes."""
    assert 0 == entry.main([])
    printed = capsys.readouterr().out

    commands = ("run", "batch", "watch", "send", "approve", "stop", "download", "sessions", "simulate")
    assert [] == [word for word in commands if f" {word} " not in printed]
    assert "Exit codes" in printed


def test_it_can_be_run_from_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that talks to the service ends with its code, without a loop of the caller's."""
    monkeypatch.setenv("HEYGEN_API_BASE", "http://example.com")
    monkeypatch.setenv("HEYGEN_API_KEY", "a-key")

    assert 2 == entry.main(["sessions"])
    assert "https" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_the_handlers_come_back(number: signal.Signals) -> None:
    """Ctrl-C and a polite kill end the work with 130, and the process is as before."""
    before = [signal.getsignal(it) for it in (signal.SIGINT, signal.SIGTERM)]

    async def work() -> int:
        signal.raise_signal(number)
        await anyio.sleep_forever()
        return 0

    assert 130 == asyncio.run(run_interruptible(work()))
    assert before == [signal.getsignal(it) for it in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    """A command that was started to outlive a signal, as by `nohup` or a script's `&`, does its work to the end."""

    async def work() -> int:
        signal.raise_signal(number)
        await anyio.lowlevel.checkpoint()
        return 7

    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert 7 == asyncio.run(run_interruptible(work()))
        assert signal.SIG_IGN is signal.getsignal(number)
    finally:
        signal.signal(number, before)


def test_the_simulator_takes_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`simulate` is the simulator of `python -m heygen_async.testing`, and refuses what that refuses."""
    moods = "--scenario failing --video-at create --wallet 3 --burst 2 --contract guide"
    with pytest.raises(SystemExit) as left:
        begin(["simulate", *moods.split(), "--faults", "no_such_fault"])

    assert 2 == left.value.code
    assert "no_such_fault" in capsys.readouterr().err
