"""
Every error as users catch and read it; never run, only read by type checkers.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from heygen_async import (
    APIError,
    BadPayload,
    BadResponse,
    BadSignature,
    ClientStateError,
    ConfigError,
    Conflict,
    ConnectFailed,
    ConnectionLost,
    DownloadError,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCredit,
    RateLimited,
    Replayed,
    RequestTimeout,
    ServerError,
    Session,
    SessionBusy,
    SessionError,
    SessionFailed,
    SessionPaused,
    SessionStalled,
    SessionState,
    StaleTimestamp,
    StateUnknown,
    TransportError,
    Unauthorized,
    UploadError,
    WatchTimeout,
    WebhookError,
)


def refused(error: APIError) -> None:
    """What the service said."""
    assert_type(error.status, int | None)
    assert_type(error.code, str | None)
    assert_type(error.message, str)
    assert_type(error.param, str | None)
    assert_type(error.doc_url, str | None)
    assert_type(error.request_id, str | None)
    assert_type(error.attempts, int)


async def what_errors_carry(session: Session) -> None:
    """Each error is caught by its name and tells what happened."""
    try:
        await session.video()
    except SessionFailed as error:
        assert_type(error.reason, str)
        assert_type(error.reason_source, str)
    except SessionError as error:
        assert_type(error.session_id, str)
        assert_type(error.last_state, SessionState | None)
        assert_type(error.ref, bytes)
    except RateLimited as error:
        assert_type(error.retry_after, float | None)
    except APIError as error:
        refused(error)
    except OutcomeUnknown as error:
        assert_type(error.candidates, tuple[str, ...])
        assert_type(error.idempotency_key, str)
        assert_type(error.started_at, datetime)
    except BadResponse as error:
        assert_type(error.status, int | None)
    except HeyGenError as error:
        assert_type(error.hint, str)


async def what_mistakes_carry(session: Session) -> None:
    """An argument that the service would refuse is named."""
    try:
        await session.send("")
    except InvalidArgument as error:
        assert_type(error.argument, str)


# Who catches a group catches its members; who knows only the built-in errors catches these too.
GROUPS: dict[type[Exception], tuple[type[HeyGenError], ...]] = {
    HeyGenError: (ConfigError, ClientStateError, DownloadError, UploadError),
    TransportError: (ConnectFailed, RequestTimeout, ConnectionLost, BadResponse, OutcomeUnknown),
    APIError: (
        InvalidRequest,
        Unauthorized,
        InsufficientCredit,
        Forbidden,
        NotFound,
        Conflict,
        RateLimited,
        ServerError,
    ),
    SessionError: (SessionFailed, SessionPaused, SessionStalled, SessionBusy, WatchTimeout, StateUnknown),
    WebhookError: (BadSignature, StaleTimestamp, Replayed, BadPayload),
    ValueError: (InvalidArgument,),
    TimeoutError: (RequestTimeout, WatchTimeout),
}
TRANSPORT: type[TransportError] = OutcomeUnknown
BUILT_IN: tuple[type[ValueError], type[TimeoutError]] = (InvalidArgument, WatchTimeout)


def out_of_credit(error: OutOfCredit) -> None:
    """Credit that ran out after the session was accepted is both a failed session and no credit."""
    failed: SessionFailed = error
    no_credit: InsufficientCredit = error
    assert_type(failed.reason, str)
    assert_type(no_credit.status, int | None)
