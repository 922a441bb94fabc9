"""
Asks the person at the terminal what to send to the agent.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from heygen_async import Approve, Conflict, Reply, Session, SessionState, SessionStatus, Stop

from .interrupt import run_in_thread
from .output import is_visible

if TYPE_CHECKING:
    from .output import Output

_REVIEW = "Your answer (Enter approves, /stop ends it): "
_QUESTION = "Your answer (/stop ends it): "


class LeftUnansweredError(Exception):
    """There is no more input to answer with."""


class Keyboard:
    """The lines a person types, read with the system's own call; see `run_in_thread`."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._rest = b""

    @property
    def is_echoed(self) -> bool:
        """Whether the person sees what they type, the line end included."""
        return (self._file or sys.stdin).isatty()

    def discard(self) -> None:
        """Drop what was typed before the question: an Enter pressed too often must not approve unseen."""
        file = self._file or sys.stdin
        if not file.isatty():
            return
        self._rest = b""
        if sys.platform == "win32":
            import msvcrt

            while msvcrt.kbhit():
                msvcrt.getch()
        else:
            import termios

            termios.tcflush(file.fileno(), termios.TCIFLUSH)

    async def line(self) -> str | None:
        """Return the next line without its end; None when there are no more."""
        while b"\n" not in self._rest:
            read = await run_in_thread(self._read)
            if not read:
                line, self._rest = self._rest, b""
                return line.decode(errors="replace") if line else None
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return line.removesuffix(b"\r").decode(errors="replace")

    def _read(self) -> bytes:
        return os.read((self._file or sys.stdin).fileno(), 65536)


async def ask(state: SessionState, output: Output, keyboard: Keyboard) -> Reply | Approve | Stop:
    """
    Return the person's answer to a pause: an empty line approves a review, a line of spaces asks again.

    Args:
        state: The pause.
        output: Where the question is shown.
        keyboard: Where the answer comes from.

    Raises:
        LeftUnansweredError: There is no more input.
    """
    is_review = state.status == SessionStatus.REVIEWING
    while True:
        keyboard.discard()
        output.ask(_REVIEW if is_review else _QUESTION, status=state.status)
        line = await keyboard.line()
        if not keyboard.is_echoed:
            output.show(Text())
        if line is None:
            raise LeftUnansweredError
        words = line.strip()
        if words.lower() == "/stop":
            return Stop()
        if is_review and (not line or words.lower() == "/approve"):
            return Approve()
        # What nobody sees is no answer, and approves nothing.
        if is_visible(words):
            return Reply(message=words)


async def send_answer(session: Session, answer: Reply | Approve | Stop, output: Output) -> None:
    """
    Send an answer to the agent.

    Args:
        session: The session.
        answer: The answer.
        output: Where it is shown.
    """
    try:
        match answer:
            case Reply():
                output.emit("you", answer.message, session_id=session.id, message=answer.message)
                await session.send(answer.message)
            case Approve():
                output.emit("you", "(approves)", session_id=session.id, approves=True)
                await session.approve(answer.message)
            case Stop():
                output.emit("you", "(stops)", session_id=session.id, stops=True)
                await session.stop()
    except Conflict as error:
        # The pause was an old one: what the session really does comes next.
        output.error(f"The agent did not take that now: {error}")
