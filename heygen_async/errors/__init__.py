"""
Everything that can go wrong, as one tree.

    HeyGenError                       .hint: one sentence, what to do next
    ├─ ConfigError · InvalidArgument(ValueError) · ClientStateError
    ├─ TransportError
    │   ├─ ConnectFailed · RequestTimeout(TimeoutError) · ConnectionLost · BadResponse
    │   └─ OutcomeUnknown
    ├─ APIError
    │   ├─ InvalidRequest 400/422 · Unauthorized 401 · InsufficientCredit 402 · Forbidden 403
    │   └─ NotFound 404 · Conflict 409 · RateLimited 429 · ServerError 5xx
    ├─ SessionError
    │   ├─ SessionFailed · SessionPaused · SessionStalled · SessionBusy
    │   └─ WatchTimeout(TimeoutError) · StateUnknown
    │   └─ OutOfCredit: SessionFailed and InsufficientCredit
    ├─ DownloadError · UploadError
    └─ WebhookError
        └─ BadSignature · StaleTimestamp · Replayed · BadPayload
"""

import typing as _typing

if _typing.TYPE_CHECKING:
    from datetime import datetime

    from ..models import SessionState


# What stands here without an underscore is public, and an error: the package passes all of it on.


class HeyGenError(Exception):
    """
    Base of every error this package raises.

    Attributes:
        hint: One sentence on what to do next; shown under the traceback.
    """

    hint: str = "Read the message; nothing more is known."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint
        self.add_note(f"Hint: {self.hint}")

    def __reduce__(self) -> tuple[object, ...]:
        # The default loses every keyword-only attribute, and errors travel between processes.
        attributes = dict(self.__dict__)
        attributes["__notes__"] = list(self.__notes__)  # or a note on a copy would appear on the original
        return _revive, (type(self), self.args, attributes)


def _revive(kind: type[HeyGenError], args: tuple[object, ...], attributes: dict[str, object]) -> HeyGenError:
    error = kind.__new__(kind, *args)
    error.args = args  # OSError, and so TimeoutError, leaves this to __init__
    error.__dict__.update(attributes)
    return error


class ConfigError(HeyGenError):
    """The client cannot be set up as asked: no credential, or an address it must not talk to."""

    hint = "Correct the client's arguments or the HEYGEN_* environment variables."


class InvalidArgument(HeyGenError, ValueError):
    """
    You passed something the service would refuse; nothing was sent.

    Attributes:
        argument: The name of the argument at fault.
    """

    hint = "Correct the argument named in the message; nothing was sent."

    def __init__(self, argument: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{argument}: {problem}", hint=hint)
        self.argument = argument


class ClientStateError(HeyGenError):
    """You used an object in a state that does not allow it: a closed client, a second event loop."""

    hint = "Make one client per event loop and keep it open for as long as you use its sessions."


class TransportError(HeyGenError):
    """The exchange with the service broke down before a usable answer was here."""

    hint = "Check the network between this process and the service, then try again."


class ConnectFailed(TransportError):
    """No connection: name lookup, refusal, TLS or proxy failed. The request was never sent."""

    hint = "Check the network, a proxy in between, and base_url; nothing was sent."


class RequestTimeout(TransportError, TimeoutError):
    """The request was sent and no whole answer came in time."""

    hint = "Raise the limit in Timeouts if the service is only slow."


class ConnectionLost(TransportError):
    """The connection broke after the request was sent or in the middle of the answer."""


class BadResponse(TransportError):
    """
    The answer is not what the service documents: not JSON, not the schema, a redirect, or too large.

    Attributes:
        status: The HTTP status of that answer, None when it is not known.
    """

    hint = "A gateway in between may have answered; if it persists, the service has changed."

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class OutcomeUnknown(TransportError):
    """
    A write may or may not have happened, and looking could not settle it, or no attempt was left.

    Attributes:
        idempotency_key: The key every attempt carried; use it again to repeat the same write.
        started_at: When the first attempt started.
        candidates: Ids of sessions that may be the result.
    """

    hint = "Look at `candidates` before you pay again, or repeat the call with the same idempotency_key."

    def __init__(
        self,
        message: str,
        *,
        idempotency_key: str,
        started_at: "datetime",
        candidates: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.idempotency_key = idempotency_key
        self.started_at = started_at
        self.candidates = candidates


class APIError(HeyGenError):
    """
    The service understood the request and refused it.

    Attributes:
        status: HTTP status; 200 when the refusal came in a success envelope; None when a session failed for it.
        code: Machine-readable code, as text; None when the service gave none.
        message: The service's own words, cut and free of secrets.
        param: The request field at fault, if named.
        doc_url: The service's page on this code, if given.
        request_id: Quote it to the service's support.
        retry_after: Seconds the service asked to wait, if it did.
        attempts: How many times the request was sent.
        from_service: Whether the body was the service's own JSON; False for the page of a proxy or gateway, which
            says nothing about what the service did.
    """

    hint = "Look the code up in the service's documentation."

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        doc_url: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 1,
        from_service: bool = True,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.message = message
        self.status: int | None = status
        self.code = code
        self.param = param
        self.doc_url = doc_url
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.from_service = from_service

    def __str__(self) -> str:
        said = f"{self.status} {self.code}" if self.code else str(self.status)
        place = f" (request {self.request_id})" if self.request_id else ""
        return f"{said}: {self.message}{place}"


class InvalidRequest(APIError):
    """The service refused the content of the request (400, 413, 422)."""

    hint = "Correct what the message and `param` name; the same request will be refused again."


class Unauthorized(APIError):
    """The credential is missing, wrong or expired (401)."""

    hint = "Check the API key at https://app.heygen.com/settings (API) and how it reaches the client."


class InsufficientCredit(APIError):
    """The account cannot pay for this (402)."""

    hint = "Check the wallet or plan: `await heygen.account.me()` shows the balance."


class Forbidden(APIError):
    """The credential is right but may not do this (403)."""

    hint = "Use a key of the space that owns the object, or ask its owner for access."


class NotFound(APIError):
    """The service does not know this id, at least not for this account (404)."""

    hint = "Check the id: it may be misspelled, deleted, or of another account."


class Conflict(APIError):
    """The object is not in a state that allows this (409)."""

    hint = "Read the object's state again before you repeat the call."


class RateLimited(APIError):
    """Too many requests or jobs in progress (429); `retry_after` says when to come back, if the service did."""

    hint = "Wait, lower max_in_flight or requests_per_second, or ask the service for a larger plan."


class ServerError(APIError):
    """The service failed (5xx)."""

    hint = "Try again later; quote request_id to the service's support if it persists."


class SessionError(HeyGenError):
    """
    A session did not get where you wanted it; it is never lost: `ref` brings it back.

    Attributes:
        session_id: The session.
        last_state: The newest state seen, None when none was.
        ref: What `heygen.sessions.restore` takes to go on with it, also in another process.
    """

    hint = "Go on with `heygen.sessions.restore(error.ref)`."

    def __init__(
        self,
        message: str,
        *,
        session_id: str,
        last_state: "SessionState | None" = None,
        ref: bytes = b"",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.session_id = session_id
        self.last_state = last_state
        self.ref = ref


class SessionFailed(SessionError):
    """
    The agent ended without a video.

    Attributes:
        reason: Why, as well as it can be known; never empty.
        reason_source: Where the reason is from: `video`, `error_message`, `sdk` (the service gave none; the message
            quotes the agent's last words).
    """

    hint = "Failed jobs are not charged; create a new session, with another prompt only where the reason asks for one."

    def __init__(
        self,
        message: str,
        *,
        session_id: str,
        reason: str,
        reason_source: str,
        code: str | None = None,
        last_state: "SessionState | None" = None,
        ref: bytes = b"",
    ) -> None:
        super().__init__(message, session_id=session_id, last_state=last_state, ref=ref)
        self.code: str | None = code
        self.reason = reason
        self.reason_source = reason_source


class OutOfCredit(SessionFailed, InsufficientCredit):
    """
    The session was accepted and failed later because the account could not pay.

    It has been seen as a passing throttle too, with credit left.

    Attributes:
        code: The video's `failure_code`, such as `MOVIO_PAYMENT_INSUFFICIENT_CREDIT`.
    """

    hint = "Check the wallet or plan: `await heygen.account.me()` shows the balance; with credit left, try again later."

    def __str__(self) -> str:
        return self.message


class SessionPaused(SessionError):
    """The agent waits for an answer where a finished video was expected; the message says what it asks."""

    hint = "Answer with session.send() or session.approve(), or let session.converse() do it."


class SessionStalled(SessionError):
    """Nothing (status, progress, messages) moved for the whole stall_timeout."""

    hint = "Watch on, or stop the session and create a new one."


class SessionBusy(SessionError):
    """Another send on this session is still under way in this client."""

    hint = "Await one send before the next: the agent answers them in order."


class WatchTimeout(SessionError, TimeoutError):
    """The deadline passed while the session was alive: it is only late, and goes on at the service."""

    hint = "It is still running: watch again with a longer timeout, later or elsewhere, from `ref`."


class StateUnknown(SessionError):
    """The service could not be asked for a whole failure budget, so nobody knows how the session is."""

    hint = "The session may well go on: watch it again from `ref` when the service can be reached."


class DownloadError(HeyGenError):
    """A file could not be fetched or written; nothing half-written has the final name."""

    hint = "Read the video again for a fresh link, check the target folder, then download again."


class UploadError(HeyGenError):
    """A file could not be read or taken by the service."""

    hint = "Check the file and its type, then upload again."


class WebhookError(HeyGenError):
    """A delivery must not be believed."""

    hint = "Answer 4xx and do nothing else with the delivery."


class BadSignature(WebhookError):
    """The signature is missing, malformed or not made with any of your secrets."""


class StaleTimestamp(WebhookError):
    """The delivery's time is missing or too far from now."""


class Replayed(WebhookError):
    """This event id was taken before."""


class BadPayload(WebhookError):
    """The body is not a webhook event."""
