"""
What the command writes: lines for a person, JSON for a program, one object a line.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import textwrap
import unicodedata
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TextIO

from rich.console import Console
from rich.text import Text

from .reachability import Reachability

if TYPE_CHECKING:
    import rich.status
    from rich.console import RenderableType

    from heygen_async import RetryEvent

_LABEL = 9
_STYLES = {"agent": "cyan", "error": "bold red", "failed": "red", "hint": "yellow", "video": "bold green"}


class Terminal(Console):
    """A console that takes all text as it is, in any encoding, and leaves a broken pipe to the command."""

    def __init__(self, file: TextIO) -> None:
        _escape_unencodable(file)
        super().__init__(file=file, markup=False, emoji=False, highlight=False)

    def on_broken_pipe(self) -> NoReturn:
        """Raise what was caught."""
        raise  # noqa: PLE0704 - called while it is handled


def _escape_unencodable(file: TextIO) -> None:
    """Show escaped what the encoding lacks: a character must not end a batch."""
    if isinstance(file, io.TextIOWrapper) and file.errors == "strict":
        file.reconfigure(errors="backslashreplace")


class Output:
    """
    Shows what happens.

    Attributes:
        out: Where words for people go.
        is_json: Whether a program reads it.
        reachability: Whether the service answers; for the client whose work is shown.
    """

    def __init__(
        self, *, is_json: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self._file = sys.stdout if out is None else out
        self.out: Console = Terminal(self._file)
        self._err = Terminal(sys.stderr if err is None else err)
        self.is_json = is_json
        self.reachability = Reachability(self.out.get_time)

    @property
    def is_live(self) -> bool:
        """Whether there is a screen to draw on."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.is_json

    def emit(self, event: str, words: str = "", /, **fields: object) -> None:
        """
        Show an event: its words to a person, its fields to a program.

        Args:
            event: What happened; also the label before the words.
            words: For a person; nothing is shown when empty.
            **fields: For a program.
        """
        if self.is_json:
            # ASCII only, so nothing in it can do anything to a terminal.
            self._file.write(json.dumps({"event": event, **fields}) + "\n")
            self._file.flush()
        elif words:
            self.out.print(_label(self.out, event, words), soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """Show a person something; a program does not get it."""
        if not self.is_json:
            # For a program a line stays whole; a terminal would break it within a word.
            self.out.print(what, soft_wrap=isinstance(what, Text) and not self.out.is_terminal)

    def ask(self, words: str, **fields: object) -> None:
        """
        Ask for a line of input.

        Args:
            words: The question.
            **fields: For a program.
        """
        if self.is_json:
            self.emit("asks", **fields)
        else:
            self.out.print(Text(words, style="bold"), end="")

    def error(self, message: str, *, hint: str = "", **fields: object) -> None:
        """
        Show an error, and what to do about it.

        Args:
            message: What went wrong.
            hint: What to do.
            **fields: For a program, beside the two.
        """
        if self.is_json:
            self.emit("error", message=message, hint=hint, **fields)
        self._err.print(_label(self._err, "error", message), soft_wrap=True)
        if hint:
            self._err.print(_label(self._err, "hint", hint), soft_wrap=True)

    def show_retry(self, retry: RetryEvent) -> None:
        """Say why a command has nothing to show yet, once for each call: the service cannot be reached."""
        if retry.error == "ConnectFailed" and retry.attempt == 1:
            self.emit("waiting", f"{retry.reason} Trying again.", reason=retry.reason)

    def advise(self, words: str) -> None:
        """Show a person what to do next, beside the output."""
        self._err.print(_label(self._err, "hint", words), soft_wrap=True)

    @contextmanager
    def if_left(self, words: str) -> Generator[None]:
        """Show a person how to continue if the block is left by Ctrl-C, or because the system refuses something."""
        try:
            yield
        except asyncio.CancelledError:
            self.advise(words)
            raise
        except OSError as error:
            error.add_note(words)  # shown after the error itself
            raise

    @contextmanager
    def busy(self, words: str) -> Generator[Status | None]:
        """Show for the length of a block that something goes on; nothing is given where there is no screen."""
        if self.is_live:
            with self.out.status(_plain(words)) as status:
                yield Status(status)
        else:
            yield None


class Status:
    """A line that changes, at the bottom of the screen."""

    def __init__(self, status: rich.status.Status) -> None:
        self._status = status

    def update(self, words: str) -> None:
        """Show other words."""
        self._status.update(_plain(words))


def _plain(words: str) -> Text:
    return Text(safe(words))


# What is copied into a shell, where half of it would be another command: not broken into lines.
_COMMANDS = re.compile(r"`[^`\n]+`|heygen-async [^\n]+")
_GLUE = "\ue000"  # in place of spaces that are no places to break a line


def _wrap(words: str, width: int) -> list[str]:
    """Return the lines of some words, none of them broken within a word, a link or a command."""
    glued = _COMMANDS.sub(lambda command: command[0].replace(" ", _GLUE), words)
    lines = [
        part
        for line in glued.split("\n")
        for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
    ]
    return [line.replace(_GLUE, " ") for line in lines]


def _label(console: Console, label: str, words: str) -> Text:
    lines = _wrap(safe(words), max(_LABEL, console.width - _LABEL)) if console.is_terminal else None
    first, *rest = lines or safe(words).split("\n")
    text = Text(f"{label:<{_LABEL - 1}} ", style=_STYLES.get(label, "dim"))
    text.append(first, style=_STYLES.get(label, "") if label in {"error", "failed", "video"} else "not dim")
    for line in rest:
        text.append("\n" + " " * _LABEL + line, style="not dim")
    return text


_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[PX^_][^\x1b\n]*(?:\x1b\\)?"  # device strings
    r"|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)

# Controls but newline and tab, what turns the reading direction, line ends only some programs know, half characters.
_POWERFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def safe(text: str) -> str:
    """Return the text as it may be shown, its lines kept."""
    return _POWERFUL.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")))


def is_visible(text: str) -> bool:
    """Return whether there is something to see: more than spaces and marks such as the zero-width ones."""
    return any(unicodedata.category(character)[0] not in "CZ" for character in safe(text))


def brief(text: str, most: int = 60) -> str:
    """Return the text on one line, cut to so many characters."""
    line = " ".join(safe(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def duration(seconds: float) -> str:
    """Return seconds as people write them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
