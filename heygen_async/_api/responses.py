"""
What the service's answers mean: status, headers and bytes in; a value or an error out.

Odd answers met in the field (contract.md): HTTP 200 with an `error`; numeric or missing codes; `null` where a list
belongs; HTML from a gateway. The common answer costs one strict decode; only one that fails is read again, leniently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar, cast, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec import field as wire_field

from .. import _redact, errors

T = TypeVar("T")

NULL = b"null"
_NO_ERROR = Raw(NULL)
_BODILESS = (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)


class Envelope(Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """
    What every success is wrapped in; lists add where the next page starts.

    Attributes:
        faults: The places of what could not be read and was left out; none in a good answer.
        skipped: Rows that could not be read: a page that lacks some proves nothing by what is not on it.
        digest: The hash of the answer's bytes, where the call asks for it; else 0.
        window: The hash of the bytes of a session's messages, where they are told apart; else 0.
    """

    data: T
    error: Raw = _NO_ERROR
    has_more: bool | None = None
    next_token: str | None = None
    faults: tuple[str, ...] = wire_field(default=(), name=" faults")  # names no service sends
    skipped: int = wire_field(default=0, name=" skipped")
    digest: int = wire_field(default=0, name=" digest")
    window: int = wire_field(default=0, name=" window")

    @property
    def next_page(self) -> str | None:
        """The token of the next page, None when this is the last."""
        return None if self.has_more is False else (self.next_token or None)


@dataclass(slots=True, eq=False)
class Decoder(Generic[T]):
    """
    What a kind of answer is decoded to.

    Args:
        type: The envelope.
        fill: What members of `data` are taken to be when they are missing or wrong, although they decide.
        without_body: Makes what a success without a body means; None when there must be one.

    Attributes:
        decode: Bytes to an envelope; raises `msgspec.DecodeError` where they are no JSON, or of another shape.
    """

    type: type[Envelope[T]]
    _fill: Mapping[str, object] = field(default_factory=dict[str, object])
    without_body: Callable[[], T] | None = None
    decode: Callable[[bytes], Envelope[T]] = field(init=False)

    def __post_init__(self) -> None:
        self.decode = self._decode

    def _decode(self, body: bytes) -> Envelope[T]:
        # Made with the first answer: the decoders of all types would be a good part of our import.
        self.decode = msgspec.json.Decoder(self.type).decode
        return self.decode(body)

    def decode_leniently(self, raw: dict[str, object]) -> Envelope[T]:
        """
        Return what can be read of an answer that is not quite as documented.

        Raises:
            ValueError: Something that decides is missing or wrong; the message names the place.
        """
        from .lenient import LenientReader

        if "data" not in raw:
            raise ValueError("$.data is missing")
        reader, data = LenientReader(), raw["data"]
        (kind,) = get_args(self.type)
        if isinstance(data, dict):
            members = cast("dict[str, object]", data)
            data = {**members, **{k: v for k, v in self._fill.items() if not isinstance(members.get(k), str)}}
        value = cast("T", reader.read(data, kind))
        more, token = raw.get("has_more"), reader.text(raw.get("next_token"), "$.next_token")
        is_cut = token is None and more is True
        return Envelope(
            data=value,
            has_more=more if isinstance(more, bool) else None,
            next_token=token,
            faults=tuple(reader.faults),
            skipped=reader.skipped + is_cut,
        )


ANYTHING: Decoder[object] = Decoder(Envelope[object], without_body=lambda: None)

UNCHANGED: Envelope[Any] = Envelope(data=None)  # in place of an answer that is the known one to the byte

_BY_STATUS: dict[int, type[errors.APIError]] = {
    400: errors.InvalidRequest,
    401: errors.Unauthorized,
    402: errors.InsufficientCredit,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.InvalidRequest,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
}

# Only for refusals in a success envelope, where the HTTP status says nothing.
_CODES: dict[type[errors.APIError], str] = {
    errors.InvalidRequest: "invalid_parameter content_policy_violation",
    errors.Unauthorized: "authentication_failed unauthorized",
    errors.InsufficientCredit: "insufficient_credit trial_limit_exceeded plan_upgrade_required subscription_required",
    errors.Forbidden: "forbidden resource_access_denied",
    errors.NotFound: "not_found resource_not_found video_not_found",
    errors.Conflict: "request_in_progress resource_not_ready conflict",
    errors.RateLimited: "rate_limit_exceeded rate_limited quota_exceeded",
    errors.ServerError: "internal_error service_unavailable gateway_timeout",
}
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes.split()}


def read(
    name: str,
    decoder: Decoder[T],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Iterable[str] = (),
) -> Envelope[T]:
    """
    Return what the answer says.

    Raises:
        APIError: The service refused, in whatever form.
        BadResponse: It is not what the service documents; the message names the place.
    """
    if status >= 400:
        raise _refusal(status, headers, body, secrets)
    if not 200 <= status < 300:
        target = _redact.host(headers["location"]) if "location" in headers else "nowhere"
        target = _redact.clean(target, secrets)
        raise errors.BadResponse(
            f"The answer to {name} is a redirect ({status}) to {target}; redirects are not followed.",
            status=status,
            hint="Check base_url: the API itself does not redirect.",
        )
    envelope: Envelope[T] | None
    try:
        envelope = decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        envelope = _read_leniently(name, decoder, status, body, secrets)
    if envelope is not None and (envelope.error is _NO_ERROR or bytes(envelope.error) == NULL):
        return envelope
    raise _refusal(status, headers, body, secrets)


def _read_leniently(
    name: str, decoder: Decoder[T], status: int, body: bytes, secrets: Iterable[str]
) -> Envelope[T] | None:
    """Tell an answer with a flaw from a refusal, which is None, and both from nonsense."""
    from .lenient import load_object

    try:
        if status in _BODILESS and not body and decoder.without_body is not None:
            return Envelope(data=decoder.without_body())
        raw = load_object(body)
        return decoder.decode_leniently(raw) if raw.get("error") is None else None
    except (ValueError, RecursionError) as error:
        problem = _redact.clean(str(error), secrets)
        raise errors.BadResponse(
            f"The answer to {name} is not as documented: {problem}", status=status
        ) from error


def _refusal(status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str]) -> errors.APIError:
    """Find the error in any of the shapes gateways and services give it."""
    from .lenient import load_object

    try:
        raw = load_object(body)
    except (ValueError, RecursionError):
        return refusal(status, headers, {"message": _text(body)}, secrets, from_service=False)
    error = raw.get("error", raw)
    if not isinstance(error, dict):
        error = {"message": error} if error else {}
    is_own = "error" in raw or "code" in raw
    return refusal(status, headers, cast("dict[str, object]", error), secrets, from_service=is_own)


def _text(body: bytes) -> str:
    text = body[:4096].decode("utf-8", "replace")
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def refusal(
    status: int,
    headers: Mapping[str, str],
    error: dict[str, object],
    secrets: Iterable[str] = (),
    *,
    from_service: bool = True,
) -> errors.APIError:
    """
    Return the error a refusal is.

    A code that names money wins over the HTTP status, which wins over other codes (contract.md, Errors). Codes come
    in small and in capital letters; here they are small.
    """
    code = _word(error, "code", secrets)
    code = None if code is None else code.lower()
    message = _word(error, "message", secrets) or _word(error, "detail", secrets)
    kind = errors.InsufficientCredit if is_about_credit(code) else _kind(status, code, empty=not error)
    return kind(
        message or "The service gave no reason.",
        status=status,
        code=code,
        param=_word(error, "param", secrets),
        doc_url=_word(error, "doc_url", secrets),
        request_id=_redact.clean(headers["x-request-id"], secrets) if "x-request-id" in headers else None,
        retry_after=_retry_after(headers),
        from_service=from_service,
    )


def is_about_credit(code: str | None) -> bool:
    """
    Whether a code, of a refusal or of a failed video, says that the account cannot pay.

    Seen with 400, 402 and 403, and as `MOVIO_PAYMENT_INSUFFICIENT_CREDIT` of a video that was taken and failed.
    """
    return code is not None and "insufficient_credit" in code.lower()


def _word(error: dict[str, object], name: str, secrets: Iterable[str]) -> str | None:
    value = error.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or value == "" else _redact.clean(str(value), secrets)


def _kind(status: int, code: str | None, *, empty: bool) -> type[errors.APIError]:
    if status < HTTPStatus.BAD_REQUEST:
        number = int(code) if code is not None and code.isdecimal() and len(code) == 3 else 0
        if code in _BY_CODE:
            return _BY_CODE[code]
        if not number:
            # An empty error says only that it did not work: as much as a 500 says.
            return errors.ServerError if empty else errors.APIError
        status = number
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.ServerError
    return _BY_STATUS.get(status, errors.APIError)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the pace in both forms; the date is measured against the service's own clock, not ours."""
    given = headers.get("retry-after", "").strip()
    try:
        seconds = float(given)
    except ValueError:
        until, now = read_date(given), read_date(headers.get("date", ""))
        if until is None or now is None:
            return None
        seconds = until - now
    return max(0.0, seconds) if math.isfinite(seconds) else None  # the pace has a floor: `_http.retry.pause`


def read_date(text: str) -> float | None:
    """Return the date in a header in Unix seconds; None when it is none, or names no zone."""
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # a calendar: a tenth of our import, needed for few answers

    try:
        date = parsedate_to_datetime(text)
        return date.timestamp() if date.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None
