"""The transport that records what goes over another, and keeps to the caps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from msgspec import DecodeError, json, structs

from ...errors import HeyGenError
from .._transports.memory import wall_time
from .contract import as_object
from .exchanges import CREATE_PATH, RecordedExchange

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from .._transports.memory import MemoryStream, Outgoing

MOST_REQUESTS: Final = 60
_KEPT_HEADERS: Final = (
    "content-type",
    "content-length",
    "content-range",
    "date",
    "retry-after",
    "x-request-id",
)
# Nothing was made, whatever else is wrong.
_REFUSED: Final = frozenset({400, 401, 402, 403, 404, 422, 429})
_JSON_BYTES: Final = 2_000_000


class CapReached(HeyGenError):
    """The probe has used up what it said it would use at most."""


class Answer(Protocol):
    """What came back."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names are looked up in lower case."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body."""
        ...


class Carrier(Protocol):
    """What the recorder records: a `MemoryTransport`, or connections to the service."""

    async def send(self, request: Outgoing, /) -> Answer:
        """Exchange one request for its answer, or raise a `TransportError`."""
        ...


@dataclasses.dataclass(frozen=True)
class FileRequest:
    """A request for a file behind a link: it carries no credential."""

    url: str
    headers: Mapping[str, str]
    method: str = "GET"
    body: None = None
    timeout: float = 60.0


class Recorder:
    """
    A transport that records what goes over another, and refuses what is beyond the caps.

    Attributes:
        exchanges: What was recorded.
        purpose: What the next request is for.
    """

    def __init__(self, carrier: Carrier, *, most_requests: int, most_creates: int) -> None:
        self.exchanges: list[RecordedExchange] = []
        self.purpose: str = ""
        self._carrier = carrier
        self._most_requests = most_requests
        self._most_creates = most_creates
        self._sent = self._creates = 0

    @property
    def left(self) -> int:
        """How many requests may still be sent."""
        return self._most_requests - self._sent

    async def send(self, request: Outgoing) -> Answer:
        """
        Exchange one request for its answer, and record both.

        Raises:
            CapReached: It is one too many; it was not sent.
            TransportError: There is no answer.
        """
        recorded = self._enter(request)
        try:
            answer = await self._carrier.send(request)
        except BaseException:
            self.exchanges.append(_complete(recorded, None, wall_time()))
            raise
        self.exchanges.append(_complete(recorded, answer, wall_time()))
        if _is_create(recorded) and answer.status in _REFUSED:
            self._creates -= 1
        return answer

    def stream(self, request: Outgoing) -> AbstractAsyncContextManager[MemoryStream]:
        """
        Refuse: the probe reads answers whole.

        Raises:
            CapReached: Always.
        """
        raise CapReached(f"The probe opens no stream: {request.method}.")

    async def aclose(self) -> None:
        """Leave the connections open: whoever gave them closes them."""

    def _enter(self, request: Outgoing) -> RecordedExchange:
        if self.left < 1:
            raise CapReached(f"The probe has sent the {self._most_requests} requests it may send.")
        parts = urlsplit(request.url)
        recorded = RecordedExchange(
            number=self._sent + 1,
            purpose=self.purpose,
            sent_at=wall_time(),
            attempt=int(getattr(request, "attempt", 1)),
            method=request.method,
            path=parts.path if parts.path.startswith("/v3/") else request.url,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            body=_decode(request.body if isinstance(request.body, bytes) else b""),
            key=request.headers.get("idempotency-key"),
        )
        if _is_create(recorded):
            if self._creates >= self._most_creates:
                raise CapReached("The probe creates no further session.")
            self._creates += 1
        self._sent += 1
        return recorded


def _is_create(one: RecordedExchange) -> bool:
    """Return whether it can make a session: with an empty prompt it cannot."""
    return (one.method, one.path) == ("POST", CREATE_PATH) and bool(as_object(one.body).get("prompt"))


def _complete(sent: RecordedExchange, answer: Answer | None, now: float) -> RecordedExchange:
    """Return the exchange with its answer, or without one."""
    changes: dict[str, object] = {"elapsed": round(now - sent.sent_at, 3)}
    if answer is not None:
        headers = {
            name.lower(): value
            for name, value in answer.headers.items()
            if name.lower() in _KEPT_HEADERS or name.lower().startswith("x-ratelimit")
        }
        body = answer.body if len(answer.body) <= _JSON_BYTES else b""
        changes |= {
            "status": answer.status,
            "headers": headers,
            "answer": _decode(body),
            "size": len(answer.body),
        }
    return structs.replace(sent, **changes)


def _decode(body: bytes) -> object:
    try:
        found: object = json.decode(body)
    except DecodeError:
        found = None
    return found
