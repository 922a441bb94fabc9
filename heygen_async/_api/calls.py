"""What every call is made of: a path, a query, a body, an idempotency key."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from ..errors import InvalidArgument

if TYPE_CHECKING:
    from ..models._assets import Body
    from .responses import Decoder

T = TypeVar("T")

STATUS_IDS = 100

_KEY = re.compile(r"[A-Za-z0-9_:.\-]{1,255}")

ENCODER = msgspec.json.Encoder()


class Kind(Enum):
    """What repeating a call means."""

    READ = auto()
    REPEATABLE = auto()  # changes something, and twice is the same as once
    CREATE = auto()  # twice costs twice
    SEND = auto()  # twice says it twice


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of the API, ready to be sent any number of times; `name` and `route` are for logs."""

    name: str
    kind: Kind
    method: str
    route: str
    path: str
    decoder: Decoder[T]
    body: bytes | Body | None = None
    key: str | None = None
    content_type: str = "application/json"


def check_characters(name: str, text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidArgument(name, "has half a character (a lone surrogate), which cannot be sent")


def choose_key(given: str | None) -> str:
    if given is None:
        return str(uuid.uuid4())
    if not isinstance(given, str) or not _KEY.fullmatch(given):
        raise InvalidArgument("idempotency_key", "must be 1 to 255 of the characters A-Z a-z 0-9 _ : . -")
    return given


_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


# ---- paths --------------------------------------------------------------------------------------------------------


def segment(name: str, value: object) -> str:
    """
    Return an id as one path segment: whatever is in it, it can never change which path is called.

    Raises:
        InvalidArgument: It is empty, or a dot segment, which no escape keeps from being one.
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value  # as ids are; a hundred of them go into one request
    if not isinstance(value, str) or value in ("", ".", ".."):
        raise InvalidArgument(name, "must be a non-empty id, not a path")
    check_characters(name, value)
    return quote(value, safe="")


def id_list(name: str, ids: Iterable[str]) -> str:
    """
    Return up to 100 ids as the value of a query, escaped: quoting the whole takes longer than the answer.

    Raises:
        InvalidArgument: There are none, too many, or one that cannot be in a list.
    """
    given = [] if isinstance(ids, str) else list(ids)
    if not 1 <= len(given) <= STATUS_IDS or any("," in str(one) for one in given):
        raise InvalidArgument(name, f"must be 1 to {STATUS_IDS} ids, without commas")
    return "%2C".join([segment(name, one) for one in given])


def reading(
    name: str, route: str, decoder: Decoder[T], *, query: Mapping[str, object] | None = None, **ids: str
) -> Call[T]:
    """Ask for something: only what is given of the query is sent."""
    path = route.format(**{key: segment(key, value) for key, value in ids.items()}) if ids else route
    given = {key: value for key, value in (query or {}).items() if value is not None}
    for key, value in given.items():
        check_characters(key, str(value))
    return Call(name, Kind.READ, "GET", route, f"{path}?{urlencode(given)}" if given else path, decoder)


def page_size(limit: object, most: int) -> int | None:
    """Return how many to ask for at once, if it is as many as the service gives."""
    if limit is None or (isinstance(limit, int) and 1 <= limit <= most):
        return limit
    raise InvalidArgument("page_size", f"must be from 1 to {most}")
