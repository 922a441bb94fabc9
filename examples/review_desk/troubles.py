"""What went wrong, in words for the person at the browser; the details are for the log of the desk."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from heygen_async import (
    APIError,
    ClientStateError,
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
_TOLD: Final[tuple[tuple[type[HeyGenError], Trouble], ...]] = (
    (
        InsufficientCredit,
        Trouble("The HeyGen account has no credit left for this.", "Top it up, then send this again."),
    ),
    (
        RateLimited,
        Trouble(
            "HeyGen is busy with this account's other videos.", "Wait until one is finished, then try again."
        ),
    ),
    (Unauthorized, _NO_ACCESS),
    (Forbidden, _NO_ACCESS),
    (
        NotFound,
        Trouble(
            "HeyGen no longer knows this session.", "It may have been deleted, or belong to another account."
        ),
    ),
    (SessionBusy, _WORKING),
    (Conflict, _WORKING),
    (
        OutcomeUnknown,
        Trouble(
            "HeyGen may or may not have taken this.", "Look at the list of sessions before you send it again."
        ),
    ),
    (StateUnknown, _UNREACHABLE),
    (TransportError, _UNREACHABLE),
    (ClientStateError, Trouble("This desk is closing.", "Nothing is lost; try again in a moment.")),
)


def trouble_of(error: Exception) -> Trouble:
    """Return the words for an error."""
    for kind, trouble in _TOLD:
        if isinstance(error, kind):
            return trouble
    match error:
        case SessionFailed():
            return Trouble(error.reason, "Change the prompt and start a new session.")
        case InvalidArgument() | InvalidRequest() | UploadError():
            return Trouble(str(error), error.hint)
        case APIError():
            return Trouble("HeyGen had a problem with this.", "Try again in a moment.")
        case _:
            return Trouble("Something went wrong.", "Try again; the desk's log has the details.")
