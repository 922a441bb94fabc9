"""
Asking the person at the terminal what to tell the agent.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from heygen_async import Approve, Conflict, Reply, Session, SessionState, SessionStatus, Stop

from .interrupt import apart
from .output import safe

if TYPE_CHECKING:
    from .output import Output

_REVIEW = "Your answer (Enter approves, /stop ends it): "
_QUESTION = "Your answer (/stop ends it): "


class LeftUnansweredError(Exception):
    """Nobody is there to answer any more."""


class Keyboard:
    """The lines a person types, read with the system's own call; see `apart`."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._rest = b""

    @property
    def is_echoed(self) -> bool:
        """Whether the person sees what they type, the line end included."""
        return (self._file or sys.stdin).isatty()

    def forget(self) -> None:
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
            read = await apart(self._read)
            if not read:
                line, self._rest = self._rest, b""
                return line.decode(errors="replace") if line else None
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return line.removesuffix(b"\r").decode(errors="replace")

    def _read(self) -> bytes:
        return os.read((self._file or sys.stdin).fileno(), 65536)


async def ask(state: SessionState, voice: Output, keyboard: Keyboard) -> Reply | Approve | Stop:
    """
    Return the person's answer to a pause: an empty line approves a review, a line of spaces asks again.

    Args:
        state: The pause.
        voice: Who asks.
        keyboard: Where the answer comes from.

    Raises:
        LeftUnansweredError: There is no more input.
    """
    is_review = state.status == SessionStatus.REVIEWING
    while True:
        keyboard.forget()
        voice.ask(_REVIEW if is_review else _QUESTION, status=state.status)
        line = await keyboard.line()
        if not keyboard.is_echoed:
            voice.show(Text())
        if line is None:
            raise LeftUnansweredError
        words = line.strip()
        if words.lower() == "/stop":
            return Stop()
        if is_review and (not line or words.lower() == "/approve"):
            return Approve()
        # Spaces and marks that nobody sees are no answer, and approve nothing.
        if safe(words).strip():
            return Reply(message=words)


async def pass_on(session: Session, answer: Reply | Approve | Stop, voice: Output) -> None:
    """
    Tell the agent.

    Args:
        session: The session.
        answer: What the person said.
        voice: Who shows it.
    """
    try:
        match answer:
            case Reply():
                voice.say("you", answer.message, session_id=session.id, message=answer.message)
                await session.send(answer.message)
            case Approve():
                voice.say("you", "(approves)", session_id=session.id, approves=True)
                await session.approve(answer.message)
            case Stop():
                voice.say("you", "(stops)", session_id=session.id, stops=True)
                await session.stop()
    except Conflict as error:
        # The pause was an old one: what the session really does comes next.
        voice.complain(f"The agent did not take that now: {error}")
