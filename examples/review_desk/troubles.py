"""What went wrong, in words for the person at the browser; the details are for the log of the desk."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from heygen_async import (
    APIError,
    Conflict,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    SessionBusy,
    SessionFailed,
    StateUnknown,
    TransportError,
    Unauthorized,
    UploadError,
)


class Trouble(Struct, frozen=True):
    """
    What a person is told.

    Attributes:
        error: What happened.
        hint: What to do about it.
    """

    error: str
    hint: str


_NO_ACCESS: Final = Trouble(
    "HeyGen does not accept this desk's key.", "Ask whoever runs the desk to check HEYGEN_API_KEY."
)
_UNREACHABLE: Final = Trouble(
    "HeyGen can’t be reached at the moment.",
    "Nothing is lost: sessions go on there, and this page keeps trying.",
)
_WORKING: Final = Trouble("The agent is still working.", "Try again when it pauses.")

# The first that fits, so the narrower ones stand first.
_TOLD: Final[tuple[tuple[type[HeyGenError], int, Trouble], ...]] = (
    (
        InsufficientCredit,
        402,
        Trouble("The HeyGen account has no credit left for this.", "Top it up, then send this again."),
    ),
    (
        RateLimited,
        429,
        Trouble(
            "HeyGen is busy with this account's other videos.", "Wait until one is finished, then try again."
        ),
    ),
    (Unauthorized, 502, _NO_ACCESS),
    (Forbidden, 502, _NO_ACCESS),
    (
        NotFound,
        404,
        Trouble(
            "HeyGen no longer knows this session.", "It may have been deleted, or belong to another account."
        ),
    ),
    (SessionBusy, 409, _WORKING),
    (Conflict, 409, _WORKING),
    (
        OutcomeUnknown,
        503,
        Trouble(
            "HeyGen may or may not have taken this.", "Look at the list of sessions before you send it again."
        ),
    ),
    (StateUnknown, 503, _UNREACHABLE),
    (TransportError, 503, _UNREACHABLE),
)


def status_and_trouble(error: Exception) -> tuple[int, Trouble]:
    """Return the HTTP status and the words for an error."""
    for kind, status, trouble in _TOLD:
        if isinstance(error, kind):
            return status, trouble
    match error:
        case SessionFailed():
            return 409, Trouble(error.reason, "Change the prompt and start a new session.")
        case InvalidArgument() | InvalidRequest() | UploadError():
            return 400, Trouble(str(error), error.hint)
        case APIError():
            return 502, Trouble("HeyGen had a problem with this.", "Try again in a moment.")
        case _:
            return 500, Trouble("Something went wrong.", "Try again; the desk's log has the details.")
