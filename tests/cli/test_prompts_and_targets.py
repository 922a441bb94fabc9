"""Where the words of `run` and `send` come from, and where the video goes."""

from __future__ import annotations

import io
import sys
import webbrowser
from typing import TYPE_CHECKING

import pytest

from heygen_async.testing import Scenario

if TYPE_CHECKING:
    from cli.terminal_user import TerminalUser


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_prompt_from_a_file(user: TerminalUser, encoding: str) -> None:
    """`--prompt-file` takes a text file, as editors of all systems save it."""
    (user.folder / "story.txt").write_bytes("A tour of the café\n".encode(encoding))
    printed = await user.types("run", "--prompt-file", "story.txt")

    assert 0 == printed.code
    assert ["A tour of the café"] == [it.prompt for it in user.simulator.ledger.creates]


async def test_words_from_standard_input(user: TerminalUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the prompt of `run` and the message of `send` from standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"A tour\n")))
    await user.types("run", "-")
    session = await make_session(user)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"newcomers\n")))
    await user.types("send", session, "-")

    assert "A tour" == user.simulator.ledger.creates[0].prompt
    assert ["newcomers"] == [it.text for it in user.simulator.ledger.messages]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "The prompt is missing"),
        (("run", "  "), "The prompt is empty"),
        (("send", "sess_1", "\u200b"), "The message is empty"),
        (("run", "A tour", "--prompt-file", "story.txt"), "given twice"),
        (("run", "--prompt-file", "nowhere.txt"), "nowhere.txt cannot be read"),
        (("run", "-", "--review"), "--prompt-file"),
        (("send", "sess_1"), "The message is missing"),
        (("run", "hello", "world"), "Put all of it in quotes: heygen-async run 'hello world'"),
        (("send", "sess_1", "two", "words"), "Put all of it in quotes"),
        (("batch", "jobs.csv"), "--out is missing"),
    ],
)
async def test_missing_words_are_explained(user: TerminalUser, words: tuple[str, ...], said: str) -> None:
    """Words that are missing, there twice or not in quotes end the command in one message, and nothing is sent."""
    printed = await user.types(*words)

    assert 2 == printed.code
    assert said in " ".join(printed.err.split())
    assert [] == user.simulator.ledger.creates


@pytest.mark.parametrize("out", ["tour.mp4", "file", "file/films"])
async def test_a_target_is_checked_before_it_is_paid(user: TerminalUser, out: str) -> None:
    """A file in the way of the video ends `run` before anything is created."""
    (user.folder / "tour.mp4").write_bytes(b"mine")
    (user.folder / "file").write_bytes(b"mine")
    printed = await user.types("run", "A tour", "--out", out)

    assert 2 == printed.code
    assert [] == user.simulator.ledger.creates


async def test_download_twice_is_no_error(user: TerminalUser) -> None:
    """A video that is in the folder is not downloaded again, and the command succeeds."""
    await user.types("run", "A tour")
    [session] = user.simulator.ledger.sessions
    first = user.simulator.ledger.requests["media"].total()
    again = await user.types("download", session)

    assert (0, first) == (again.code, user.simulator.ledger.requests["media"].total())
    assert "was downloaded before" in again.err


@pytest.mark.parametrize("json", [False, True])
async def test_watch_shows_the_storyboard(user: TerminalUser, *, json: bool) -> None:
    """The links of a storyboard are shown before anything hints at approving it."""
    user.simulator.script(Scenario.chat())
    session = await user.types("download", await make_session(user))
    printed = await user.types("watch", user.simulator.ledger.sessions[0], *(["--json"] if json else []))

    assert 1 == session.code
    assert "http" in session.out
    assert "http" in printed.out
    assert "heygen-async approve" in printed.err


async def test_open_shows_the_storyboard_in_the_browser(
    user: TerminalUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`open` opens each link of the storyboard once; where there is no browser the links are there to be copied."""
    opened: list[str] = []

    def show(link: str) -> bool:
        opened.append(link)
        return True

    def refuse(_link: str) -> bool:
        return False

    monkeypatch.setattr(webbrowser, "open", show)
    user.simulator.script(Scenario.chat())
    session = await make_session(user)
    shown = await user.types("open", session)
    monkeypatch.setattr(webbrowser, "open", refuse)
    without = await user.types("open", session)

    assert (0, 3) == (shown.code, len(opened))
    assert [] == [link for link in opened if link not in shown.out or link not in without.out]
    assert (1, True) == (without.code, "No browser" in without.err)


async def test_nothing_to_open_is_said(user: TerminalUser) -> None:
    """A session that shows nothing yet is an error that says what to do."""
    user.simulator.script(Scenario.stuck())
    await user.types("run", "A tour", "--timeout", "1")
    shown = await user.types("open", user.simulator.ledger.sessions[0])

    assert 1 == shown.code
    assert "it is thinking" in shown.err
    assert "heygen-async watch" in shown.err


async def make_session(user: TerminalUser) -> str:
    """Create a session that pauses for a review, and leave it there."""
    user_input, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO())
    try:
        await user.types("run", "A tour", "--review")
    except (OSError, ValueError):
        pass
    finally:
        sys.stdin = user_input
    return user.simulator.ledger.sessions[-1]
