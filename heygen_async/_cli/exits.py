"""
How the command ends: its exit codes, and which error means which.
"""

from __future__ import annotations

import os
from enum import IntEnum

from heygen_async import (
    ConfigError,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
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
    UNHEARD = 141  # nobody reads the output any more, as a shell counts it


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
