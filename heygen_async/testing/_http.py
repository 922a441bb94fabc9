"""
What the simulator takes and gives: a request, a response, and how the response travels.

House rules: nothing here knows a socket, a clock, or the SDK's own wire layer. If a field name were shared with the
client, a mistake in it would cancel itself out and no test would see it.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """
    One HTTP request as the simulator sees it.

    Attributes:
        method: Upper-case verb.
        path: The path as it was on the wire, still percent-encoded, without the query.
        query: The decoded query; of a repeated key the last value.
        headers: Lower-case names.
        body: The raw bytes, or None for none.
        at_storage: Whether it came to the storage origin rather than the API's; None for not known.
        is_reachable: Whether the webhook address in it answered when it was tried; None for not tried.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    at_storage: bool | None = None
    is_reachable: bool | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """
    One HTTP response, complete.

    Attributes:
        status: The HTTP status.
        headers: Lower-case names.
        body: The raw bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


EMPTY = HttpResponse(0, {}, b"")
"""The response of a request that was never answered."""


class ResponseDelivery(enum.Enum):
    """How a response travels, or does not."""

    WHOLE = "whole"
    """As it is."""
    REFUSED = "refused"
    """The connection is never made; nothing was processed."""
    RESET = "reset"
    """The connection is reset before a single byte of the answer."""
    NOTHING = "nothing"
    """The request is taken and no byte ever comes back."""
    HEADERS_ONLY = "headers only"
    """Status and headers come, the body never does."""
    CUT_LENGTH = "cut length"
    """`amount` bytes of the announced Content-Length come, half of them if None; then the end."""
    CUT_CHUNKED = "cut chunked"
    """A chunked body ends without its last chunk."""
    TRICKLE = "trickle"
    """The body comes slowly: `amount` bytes a second, one if None."""
    STALL = "stall"
    """`amount` bytes of the body come, then nothing, and the connection stays."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """
    What became of a request.

    Attributes:
        response: The answer the service gave, whether or not it arrives.
        delivery: How it travels back.
        delay: Seconds the service takes before it answers.
        fault: Name of the fault at work, or None.
        amount: What the delivery needs to know, if anything.
    """

    response: HttpResponse
    delivery: ResponseDelivery = ResponseDelivery.WHOLE
    delay: float = 0.0
    fault: str | None = None
    amount: int | None = None

    @property
    def sent_bytes(self) -> int:
        """How much of the body really goes out."""
        whole = len(self.response.body)
        if self.delivery in {ResponseDelivery.WHOLE, ResponseDelivery.TRICKLE}:
            return whole
        if self.delivery in {ResponseDelivery.CUT_LENGTH, ResponseDelivery.CUT_CHUNKED}:
            return whole // 2 if self.amount is None else min(self.amount, whole)
        return min(self.amount or 0, whole) if self.delivery is ResponseDelivery.STALL else 0


class Refusal(Exception):
    """The service says no; becomes the error envelope."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    def response(self) -> HttpResponse:
        """Return the refusal in the service's error envelope."""
        return error_response(self.status, self.code, self.message, param=self.param, headers=self.headers)


def as_object(value: object) -> JsonObject | None:
    """Return a parsed JSON value if it is an object."""
    return cast("JsonObject", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object] | None:
    """Return a parsed JSON value if it is an array."""
    return cast("list[object]", value) if isinstance(value, list) else None


def invalid(param: str, message: str) -> Refusal:
    """Return the refusal of one request field."""
    return Refusal(400, "invalid_parameter", message, param=param)


def not_found(what: str, code: str = "not_found") -> Refusal:
    """Return the refusal of an unknown id."""
    return Refusal(404, code, f"{what} not found.")


def json_response(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Return `value` as a JSON response."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return HttpResponse(status, {"content-type": "application/json", **(headers or {})}, body)


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return an error in the service's envelope."""
    error = {"code": code, "message": message, "param": param, "doc_url": None}
    return json_response({"error": error}, status=status, headers=headers)


def data_response(data: object) -> HttpResponse:
    """Return `data` in the success envelope."""
    return json_response({"data": data})


def page_response(data: Sequence[object], next_token: str | None = None) -> HttpResponse:
    """Return one page in the list envelope."""
    return json_response({"data": list(data), "has_more": next_token is not None, "next_token": next_token})
