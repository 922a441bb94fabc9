"""
What goes in and out of the service, without a socket: a request, an answer and how the answer breaks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cut(Enum):
    """Where an answer ends before its end."""

    CLOSED = "no byte of it is sent, the connection closes"
    RESET = "no byte of it is sent, the connection is reset"
    IN_HEAD = "half of its head is sent, the connection closes"
    IN_BODY = "half of its body is sent, the connection closes"
    STALLED = "no byte of it is sent, and nothing happens"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names in lower case, `path` still escaped."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def key(self) -> str:
        """Its idempotency key; empty without one."""
        return self.headers.get("idempotency-key", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and whether it arrives whole (`cut` is None)."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: Cut | None = None


JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}


def data(value: object, **beside: object) -> Answer:
    """Success, as the service words it."""
    return Answer(200, json.dumps({"data": value, **beside}).encode(), JSON)


def refusal(status: int, code: str | None, message: str, *, param: str | None = None) -> Answer:
    """Failure, as the service words it."""
    error = {"code": code, "message": message, "param": param, "doc_url": None}
    return Answer(status, json.dumps({"error": error}).encode(), JSON)


def page(status: int, title: str) -> Answer:
    """What a gateway or proxy answers in the service's place."""
    return Answer(status, f"<html><head><title>{title}</title></head></html>".encode(), HTML)
