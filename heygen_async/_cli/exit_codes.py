"""
How the command ends: its exit codes, and which error means which.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from heygen_async import (
    ConfigError,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    OutcomeUnknown,
    SessionError,
    SessionFailed,
    SessionStalled,
    Unauthorized,
)


class Exit(IntEnum):
    """What a script can tell from the exit code."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3  # the credential or the credit
    LATE = 4
    INTERRUPTED = 130
    NO_READER = 141  # the reader of the output has gone, as a shell counts it


_IN_A_SHELL: Final[Mapping[str, str]] = {
    "base_url": "HEYGEN_API_BASE",
    "min_balance=": "--min-balance ",
    "max_spend": "--max-spend",
    "pass overwrite=True": "move that file away",
    "`await heygen.account.me()` shows": "`heygen-async account` or https://app.heygen.com shows",
}


class UsageError(Exception):
    """
    A mistake of the user's, in words for the user.

    Attributes:
        hint: What to do about it; empty when the message says it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def exit_of(error: BaseException) -> Exit:
    """Return the exit code an error stands for."""
    match error:
        case Unauthorized() | Forbidden() | InsufficientCredit():
            return Exit.REFUSED
        case ConfigError() if not os.environ.get("HEYGEN_API_KEY", "").strip():
            return Exit.REFUSED
        case UsageError() | ConfigError() | InvalidArgument():
            return Exit.USAGE
        case SessionStalled():
            return Exit.LATE
        case HeyGenError() if isinstance(error, TimeoutError):
            return Exit.LATE
        case _:
            return Exit.FAILED


def message_of(error: HeyGenError) -> str:
    """Return what happened, in words for a shell."""
    return _in_a_shell(str(error))


def hint_of(error: HeyGenError) -> str:
    """Return what to do about it, in words for a shell."""
    match error:
        case ConfigError() if exit_of(error) == Exit.REFUSED:
            return "Get a key at https://app.heygen.com/settings (API), then: export HEYGEN_API_KEY=..."
        case OutcomeUnknown():
            named = ", ".join(error.candidates) or "not in the list yet"
            return f"Look before you pay again: `heygen-async sessions`. It may be: {named}."
        case SessionError() if not isinstance(error, SessionFailed):
            return resume_command(error.session_id)
        case _:
            return _in_a_shell(error.hint)


def resume_command(session_id: str) -> str:
    """Return how to go on with a session that no command waits for now."""
    return f"The session goes on without you: heygen-async download {session_id}"


def _in_a_shell(words: str) -> str:
    for there, here in _IN_A_SHELL.items():
        words = words.replace(there, here)
    return words
