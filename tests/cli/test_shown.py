"""Text of models and services cannot do anything to the terminal it is shown on."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._cli.output import Output, brief, duration, safe
from heygen_async._cli.progress import Board


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colour"),
        pytest.param("\x1b]0;a title\x07text", "text", id="title"),
        pytest.param("\x1b]8;;https://evil\x1b\\link\x1b]8;;\x1b\\", "link", id="link"),
        pytest.param("a\x1b[2J\x1b[Hb", "ab", id="clear the screen"),
        pytest.param("\x9b31mred", "red", id="one-byte introducer"),
        pytest.param("never \rmind", "never mind", id="back to the line's beginning"),
        pytest.param("ab\x08\x08", "ab", id="backspace"),
        pytest.param("file\u202egpj.exe", "filegpj.exe", id="reading direction"),
        pytest.param("half \ud83d", "half ", id="half a character"),
        pytest.param("one\r\ntwo\tthree", "one\ntwo\tthree", id="lines and tabs stay"),
        pytest.param("naïve 日本 👩‍🚀", "naïve 日本 👩‍🚀", id="letters stay"),
        pytest.param("[red]not markup[/red]", "[red]not markup[/red]", id="markup stays as it is"),
    ],
)
def test_control_characters_go(text: str, shown: str) -> None:
    """What would move the cursor, colour the screen or turn the text around is left out."""
    assert shown == safe(text)


@given(st.text())
def test_nothing_that_controls_is_left(text: str) -> None:
    """Whatever a text has in it, only letters, marks, newlines and tabs are shown."""
    controls = {char for char in safe(text) if unicodedata.category(char) in {"Cc", "Cs"}}

    assert controls <= {"\n", "\t"}


def test_a_voice_takes_words_as_they_are() -> None:
    """Brackets in a message are no markup, and colons no emoji."""
    out = io.StringIO()
    Output(out=out).emit("agent", "[bold]:smile:[/bold] [link=x]y \x1b[5m")

    assert "agent    [bold]:smile:[/bold] [link=x]y \n" == out.getvalue()


class Screen(io.StringIO):
    """A terminal of eighty columns."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A terminal, on which nothing is coloured."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    return Screen()


def test_no_line_of_a_terminal_ends_within_a_word(screen: Screen) -> None:
    """On a screen words go to the next line whole, below the words before; in a file a line stays a line."""
    words = "all things considered " * 8 + "https://example.com/" + "a" * 90
    output, file = Output(out=screen, err=screen), io.StringIO()
    output.emit("agent", words)
    output.error(words, hint="see there")
    Output(out=file).emit("agent", words)
    lines = screen.getvalue().splitlines()

    assert all(len(line) <= 80 or line.split()[-1].startswith("https") for line in lines)
    assert {"agent", "error", "hint", ""} == {line[:8].strip() for line in lines}
    assert 2 * words.split() + ["see", "there"] == " ".join(line[9:] for line in lines).split()
    assert 1 == file.getvalue().count("\n")


def test_a_command_is_not_broken_into_lines(screen: Screen) -> None:
    """What is copied into a shell stays on one line: the first half of a command may be another command."""
    first, second = (
        "heygen-async approve sess_629f6fbed82c07cd",
        "heygen-async batch jobs.csv " + "--out v " * 9,
    )
    Output(err=screen).advise(
        f"After a look at the storyboard, `{first}`, or begin anew with: {second.strip()}"
    )

    assert [True, True] == [command.strip() in screen.getvalue() for command in (f"`{first}`", second)]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_any_encoding_shows_any_text(encoding: str) -> None:
    """A character that the output's encoding lacks is shown escaped, on the board and in lines."""
    lines, screen = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    Output(out=lines).emit("video", "film \U0001f3ac \u202e\x1b[2J")
    console = Output(out=screen).out
    board = Board(console, total=1, done=0)
    board.move("film \U0001f3ac \u202e", "generating", 50)
    console.print(board)
    for file in (lines, screen):
        file.flush()
        file.seek(0)
        text = file.buffer.read()
        assert "film \U0001f3ac".encode(encoding, "backslashreplace") in text
        assert b"\x1b[2J" not in text
        assert "\u202e".encode(encoding, "backslashreplace") not in text


def test_json_is_plain_ascii() -> None:
    """A program gets text whole, in a form that is harmless on a terminal."""
    out = io.StringIO()
    Output(is_json=True, out=out).emit("agent", "shown to nobody", content="\x1b[31m\u202e日")

    assert '{"event": "agent", "content": "\\u001b[31m\\u202e\\u65e5"}\n' == out.getvalue()


def test_long_words_are_not_broken() -> None:
    """A link stays on one line, however narrow the window: it is to be copied."""
    out = io.StringIO()
    link = "https://example.com/" + "x" * 300
    Output(out=out).emit("resource", link)

    assert f"resource {link}\n" == out.getvalue()


def test_brief_is_one_line() -> None:
    """A text in a table is on one line and not too long."""
    assert "one two…" == brief("one\n two three", 8)


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (59.7, "60 s"), (65, "1 min 05 s"), (3600, "1 h 00 min")]
)
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    """Nobody counts 3600 seconds."""
    assert text == duration(seconds)
