from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from heygen_async import errors
from heygen_async.errors import APIError, HeyGenError
from heygen_async.models import SessionState, SessionStatus

STATE = SessionState(session_id="s", status=SessionStatus("new_word"), created_at=1)
REFUSAL: dict[str, Any] = {
    "status": 418,
    "code": "teapot",
    "param": "p",
    "doc_url": "https://docs.test",
    "request_id": "r-1",
    "retry_after": 2.5,
    "attempts": 3,
}
SESSION: dict[str, Any] = {"session_id": "s", "last_state": STATE, "ref": b"{}"}
UNKNOWN: dict[str, Any] = {
    "idempotency_key": "k",
    "started_at": datetime(2026, 1, 1, tzinfo=UTC),
    "candidates": ("a", "b"),
}

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HeyGenError)]
NAMES = [kind.__name__ for kind in ALL]

# (class, parent): the tree of the design, flattened.
TREE = {
    "HeyGenError": "Exception",
    "ConfigError": "HeyGenError",
    "InvalidArgument": "HeyGenError",
    "ClientStateError": "HeyGenError",
    "TransportError": "HeyGenError",
    "ConnectFailed": "TransportError",
    "RequestTimeout": "TransportError",
    "ConnectionLost": "TransportError",
    "BadResponse": "TransportError",
    "OutcomeUnknown": "TransportError",
    "APIError": "HeyGenError",
    "InvalidRequest": "APIError",
    "Unauthorized": "APIError",
    "InsufficientCredit": "APIError",
    "Forbidden": "APIError",
    "NotFound": "APIError",
    "Conflict": "APIError",
    "RateLimited": "APIError",
    "ServerError": "APIError",
    "SessionError": "HeyGenError",
    "SessionFailed": "SessionError",
    "SessionPaused": "SessionError",
    "SessionStalled": "SessionError",
    "WatchTimeout": "SessionError",
    "OutOfCredit": "SessionFailed",
    "StateUnknown": "SessionError",
    "SessionBusy": "SessionError",
    "DownloadError": "HeyGenError",
    "UploadError": "HeyGenError",
    "WebhookError": "HeyGenError",
    "BadSignature": "WebhookError",
    "StaleTimestamp": "WebhookError",
    "Replayed": "WebhookError",
    "BadPayload": "WebhookError",
}

COPIES: list[Callable[[HeyGenError], HeyGenError]] = [
    copy.copy,
    copy.deepcopy,
    lambda error: pickle.loads(pickle.dumps(error)),
]


OPTIONS: list[tuple[type[HeyGenError], dict[str, Any]]] = [
    (errors.SessionFailed, SESSION | {"reason": "Broken.", "reason_source": "video"}),
    (errors.SessionError, SESSION),
    (APIError, REFUSAL),
    (errors.OutcomeUnknown, UNKNOWN),
    (errors.BadResponse, {"status": 502}),
    (HeyGenError, {}),
]


def made(kind: type[HeyGenError]) -> HeyGenError:
    """An error of the kind with every attribute filled, and a note."""
    options = next(options for base, options in OPTIONS if issubclass(kind, base))
    said = ("prompt", "is empty") if kind is errors.InvalidArgument else ("What happened.",)
    error = kind(*said, **options)
    error.hint = "Do this."
    error.add_note("while testing")
    return error


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("kind", ALL, ids=NAMES)
def test_error_survives_its_copies(
    kind: type[HeyGenError], copied: Callable[[HeyGenError], HeyGenError]
) -> None:
    """An error that went through another process says the same and carries the same."""
    error = made(kind)
    other = copied(error)

    assert type(error) is type(other)
    assert (str(error), error.args, error.hint) == (str(other), other.args, other.hint)
    assert vars(error) == vars(other)
    assert str(other)


@pytest.mark.parametrize("kind", ALL, ids=NAMES)
def test_note_on_a_copy_stays_there(kind: type[HeyGenError]) -> None:
    """Watchers of one session get copies of one error, and a note on one is not a note on all."""
    error = made(kind)
    copy.copy(error).add_note("mine alone")

    assert "mine alone" not in error.__notes__


def test_tree_is_complete() -> None:
    """Every public error has its place in the tree that users catch by."""
    assert {kind.__name__: kind.__bases__[0].__name__ for kind in ALL} == TREE


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidArgument, ValueError),
        (errors.RequestTimeout, TimeoutError),
        (errors.WatchTimeout, TimeoutError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_error_is_also_the_builtin_one(kind: type[HeyGenError], builtin: type[Exception]) -> None:
    """Code that knows only Python's own errors catches ours too."""
    assert isinstance(made(kind), builtin)


@pytest.mark.parametrize("kind", ALL, ids=NAMES)
def test_hint_says_what_to_do(kind: type[HeyGenError]) -> None:
    """Every error has a hint, a sentence, and shows it under the traceback."""
    error = kind("argument", "problem") if issubclass(kind, errors.InvalidArgument) else None

    assert kind.hint.endswith(".")
    assert kind.hint[0].isupper()
    if error is not None:
        assert [f"Hint: {kind.hint}"] == error.__notes__


def test_hint_of_one_error_is_its_own() -> None:
    """A hint given to one error changes no other."""
    error = HeyGenError("What happened.", hint="Do that.")

    assert ("Do that.", ["Hint: Do that."]) == (error.hint, error.__notes__)
    assert "Do that." != HeyGenError("What happened.").hint


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "500: Broken."),
        ({"code": "internal_error"}, "500 internal_error: Broken."),
        (
            {"code": "internal_error", "request_id": "r-1"},
            "500 internal_error: Broken. (request r-1)",
        ),
    ],
    ids=["status", "code", "request"],
)
def test_refusal_reads_aloud(options: dict[str, str], text: str) -> None:
    """A refusal says status, code, the service's words, and the request to quote to support."""
    assert text == str(
        APIError("Broken.", status=500, code=options.get("code"), request_id=options.get("request_id"))
    )


def test_invalid_argument_names_the_argument() -> None:
    """The argument at fault is in the message and on the error."""
    error = errors.InvalidArgument("prompt", "is empty")

    assert ("prompt", "prompt: is empty") == (error.argument, str(error))


def test_credit_that_ran_out_late_is_both_a_failed_session_and_a_lack_of_credit() -> None:
    """Code that looks for either kind finds it, and neither a status nor a repr invents a refusal by HTTP."""
    error = errors.OutOfCredit(
        "Session s failed: No credit.",
        session_id="s",
        reason="No credit.",
        reason_source="video",
        code="MOVIO_PAYMENT_INSUFFICIENT_CREDIT",
        ref=b"{}",
    )

    assert isinstance(error, errors.SessionFailed)
    assert isinstance(error, errors.InsufficientCredit)
    assert (None, "MOVIO_PAYMENT_INSUFFICIENT_CREDIT") == (error.status, error.code)
    assert "Session s failed: No credit." == str(error)
