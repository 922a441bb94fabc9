"""
How the command speaks: to a person in lines, to a program in JSON, one object a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TextIO

from rich.console import Console
from rich.text import Text

from .shown import safe

if TYPE_CHECKING:
    import rich.status
    from rich.console import RenderableType

_LABEL = 9
_STYLES = {"agent": "cyan", "error": "bold red", "failed": "red", "hint": "yellow", "video": "bold green"}


class Terminal(Console):
    """A console that takes all text as it is, and leaves a broken pipe to the command."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file=file, markup=False, emoji=False, highlight=False)

    def on_broken_pipe(self) -> NoReturn:
        """Raise what was caught."""
        raise  # noqa: PLE0704 - called while it is handled


class Voice:
    """
    Says what happens.

    Attributes:
        out: Where words for people go.
        is_json: Whether a program listens.
    """

    def __init__(
        self, *, is_json: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self._file = sys.stdout if out is None else out
        self.out: Console = Terminal(self._file)
        self._err = Terminal(sys.stderr if err is None else err)
        self.is_json = is_json

    @property
    def is_live(self) -> bool:
        """Whether there is a screen to draw on."""
        return self.out.is_terminal and not self.out.is_dumb_terminal and not self.is_json

    def say(self, event: str, words: str = "", /, **fields: object) -> None:
        """
        Tell of an event: its words to a person, its fields to a program.

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
            self.show(_labelled(event, words))

    def show(self, what: RenderableType) -> None:
        """Show a person something; a program does not get it."""
        if not self.is_json:
            self.out.print(what, soft_wrap=isinstance(what, Text))

    def ask(self, words: str, **fields: object) -> None:
        """
        Ask for a line of input.

        Args:
            words: The question.
            **fields: For a program.
        """
        if self.is_json:
            self.say("asks", **fields)
        else:
            self.out.print(Text(words, style="bold"), end="")

    def complain(self, message: str, *, hint: str = "", **fields: object) -> None:
        """
        Tell of an error, and what to do about it.

        Args:
            message: What went wrong.
            hint: What to do.
            **fields: For a program, beside the two.
        """
        if self.is_json:
            self.say("error", message=message, hint=hint, **fields)
        self._err.print(_labelled("error", message), soft_wrap=True)
        if hint:
            self._err.print(_labelled("hint", hint), soft_wrap=True)

    def advise(self, words: str) -> None:
        """Tell a person what to do next, beside the output."""
        self._err.print(_labelled("hint", words), soft_wrap=True)

    @contextmanager
    def if_left(self, words: str) -> Generator[None]:
        """Tell a person how to go on if the block is left by Ctrl-C, or because the system refuses something."""
        try:
            yield
        except asyncio.CancelledError:
            self.advise(words)
            raise
        except OSError as error:
            error.add_note(words)  # which is told after the error itself
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


def _labelled(label: str, words: str) -> Text:
    first, *rest = safe(words).split("\n")
    text = Text(f"{label:<{_LABEL - 1}} ", style=_STYLES.get(label, "dim"))
    text.append(first, style=_STYLES.get(label, "") if label in {"error", "failed", "video"} else "not dim")
    for line in rest:
        text.append("\n" + " " * _LABEL + line, style="not dim")
    return text
