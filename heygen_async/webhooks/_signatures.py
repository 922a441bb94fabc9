"""
Whether a delivery is the service's: an HMAC over the raw body, and a time that is close enough to the one given.

The timestamp and the event id in the headers are not signed (contract.md, Webhooks). So the time only bounds how old a
delivery may honestly be, and a replay is recognised by the id in the body, which is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, cast

from .._redact import Secret
from ..errors import BadSignature, InvalidArgument, StaleTimestamp
from ..errors._arguments import check_text, list_of


class Headers(Protocol):
    """Headers as any web framework hands them out: something with pairs of names and values."""

    def items(self) -> Iterable[tuple[object, object]]:
        """Return the pairs."""
        ...


SIGNATURE = "Heygen-Signature"
TIMESTAMP = "Heygen-Timestamp"
EVENT_ID = "Heygen-Event-Id"

_SIGNATURES = frozenset({SIGNATURE.lower(), "signature"})  # the second was seen in production
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


def signature(body: bytes, secret: str) -> str:
    """Return the signature of a body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_signature(headers: Headers, body: bytes, secrets: Sequence[str]) -> None:
    """
    Find a signature made with one of the secrets.

    Raises:
        BadSignature: There is none.
    """
    given = {value.lower() for value in _values(headers, _SIGNATURES) if _HEX.fullmatch(value)}
    if not given:
        raise BadSignature("The delivery has no signature, or one that is not 64 hex digits.")
    if not _is_among(given, body, secrets):
        raise BadSignature("The delivery's signature is not made with any of your secrets.")


def _is_among(given: Iterable[str], body: bytes, secrets: Iterable[str]) -> bool:
    # A function of its own, so that no traceback with locals shows how to sign that body. It compares all pairs,
    # whatever the first ones give: how long it takes must not show which secret or digit was right.
    expected = [signature(body, secret) for secret in secrets]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    return True in matches


def check_time(headers: Headers, now: float, tolerance: float, *, required: bool) -> None:
    """
    Compare the time of delivery with now.

    Raises:
        StaleTimestamp: It is missing though required, unreadable, or too far away on either side.
    """
    given = _values(headers, frozenset({TIMESTAMP.lower()}))
    if not given and required:
        raise StaleTimestamp(f"The delivery has no {TIMESTAMP}.")
    for value in given:
        if not _SECONDS.fullmatch(value):
            raise StaleTimestamp(f"The delivery's {TIMESTAMP} is not in Unix seconds.")
        if abs(now - float(value)) > tolerance:
            raise StaleTimestamp(f"The delivery's {TIMESTAMP} is more than {tolerance:g} seconds from now.")


def _values(headers: Headers, names: frozenset[str]) -> list[str]:
    """Find a header in any spelling; a plain dict has no idea of case, and some mappings have a name twice."""
    return [
        text.strip()
        for name, value in headers.items()
        if _decode(name).lower() in names
        for text in map(_decode, cast("list[object]", value) if isinstance(value, list | tuple) else [value])
    ]


def _decode(text: object) -> str:
    """Return a header's name or value as text; servers hand some out as bytes."""
    if isinstance(text, bytes):
        return text.decode("latin-1")
    return text if isinstance(text, str) else ""


# ---- what the caller gives ----------------------------------------------------------------------------------------


def check_body(body: object) -> bytes:
    """
    Return the body as bytes.

    Raises:
        InvalidArgument: It is text or was parsed already.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(cast("bytes", body))
    raise InvalidArgument(
        "body",
        f"must be the bytes as they came, not {type(body).__name__}: the signature is made over them",
        hint="Pass the raw request body, read before anything parses it; to write it again changes it.",
    )


def check_secrets(secrets: str | Iterable[str]) -> list[Secret]:
    """
    Return the secrets; one may be given alone.

    Raises:
        InvalidArgument: There is none, or one is empty: anyone could sign with that.
    """
    known = [secrets] if isinstance(secrets, str) else list_of("secrets", secrets)
    for secret in known or [""]:
        check_text(secrets=secret)
    return [Secret(secret) for secret in known]


def check_headers(headers: object) -> None:
    """
    Refuse what has no names and values, such as the list of pairs of an ASGI scope.

    Raises:
        InvalidArgument: It is something else.
    """
    # Not `Mapping`: the headers of Flask and of `http.server` are none.
    if not callable(getattr(headers, "items", None)):
        raise InvalidArgument("headers", f"must map names to values, not {type(headers).__name__}")
