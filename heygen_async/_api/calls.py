"""What every call is made of: a path, a query, a body, an idempotency key."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from ..errors import InvalidArgument
from ..errors._arguments import check_count, check_text, given, list_of
from ..models._assets import Body
from .responses import Decoder

T = TypeVar("T")

PageQuery = str | int | None

STATUS_IDS = 100

_KEY = re.compile(r"[A-Za-z0-9_:.\-]{1,255}")

ENCODER = msgspec.json.Encoder()


class Kind(Enum):
    """What repeating a call means."""

    READ = auto()
    REPEATABLE = auto()  # changes something, and twice is the same as once
    CREATE = auto()  # twice costs twice
    SEND = auto()  # twice says it twice


class Call(Struct, Generic[T], frozen=True, eq=False):
    """
    One call of the API, ready to be sent any number of times; `name` and `route` are for logs.

    Attributes:
        known: The digest of the answer that need not be read again, 0 for none; None where each answer is read.
    """

    name: str
    kind: Kind
    method: str
    route: str
    path: str
    decoder: Decoder[T]
    body: bytes | Body | None = None
    key: str | None = None
    content_type: str = "application/json"
    known: int | None = None


def encode(name: str, value: object) -> bytes:
    """
    Return a value as JSON.

    Raises:
        InvalidArgument: It cannot be written so.
    """
    try:
        return ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(name, f"cannot be sent as JSON: {error}") from error


def choose_key(key: str | None) -> str:
    if key is None:
        return str(uuid.uuid4())
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidArgument("idempotency_key", "must be 1 to 255 of the characters A-Z a-z 0-9 _ : . -")
    return key


SAFE = re.compile(r"[A-Za-z0-9_-]+")


# ---- paths --------------------------------------------------------------------------------------------------------


def segment(name: str, value: object) -> str:
    """
    Return an id as one path segment: whatever is in it, it can never change which path is called.

    Raises:
        InvalidArgument: It is empty, or a dot segment, which no escape keeps from being one.
    """
    if isinstance(value, str) and SAFE.fullmatch(value):
        return value  # as ids are; a hundred of them go into one request
    check_text(**{name: value})
    if value in (".", ".."):
        raise InvalidArgument(name, "must be an id, not a path")
    return quote(str(value), safe="")


# ---- kinds of calls ------------------------------------------------------------------------------------------------


def read_call(
    name: str, route: str, decoder: Decoder[T], *, query: Mapping[str, object] | None = None, **ids: str
) -> Call[T]:
    """Ask for something: only what is given of the query is sent."""
    path = _fill(route, ids)
    if query and (asked := given(**query)):
        path = f"{path}?{urlencode(asked)}"
    return Call(name, Kind.READ, "GET", route, path, decoder)


def list_call(name: str, route: str, decoder: Decoder[T], most: int = 100, /, **query: PageQuery) -> Call[T]:
    """
    Ask for a page of a list: `limit` rows from `token` on, of those that the filters let through.

    Raises:
        InvalidArgument: More rows than the service gives at once, or none; or a filter that is no text.
    """
    filters = given(**query)
    filters.pop("token", None)  # the service's own words
    check_count(1, most, **given(page_size=filters.pop("limit", None)))
    check_text(**filters)
    return read_call(name, route, decoder, query=query)


def bulk_call(name: str, route: str, decoder: Decoder[T], field: str, ids: Iterable[str]) -> Call[T]:
    """
    Ask for up to 100 things at once, whose ids go into one field of the query.

    Raises:
        InvalidArgument: There are none, too many, or one that cannot be in a list.
    """
    items = list_of(field, ids)
    if not 1 <= len(items) <= STATUS_IDS or "," in "".join(map(str, items)):
        raise InvalidArgument(field, f"must be 1 to {STATUS_IDS} ids, without commas")
    listed = "%2C".join([one if SAFE.fullmatch(one) else segment(field, one) for one in items])
    return Call(name, Kind.READ, "GET", route, f"{route}?{field}={listed}", decoder, known=0)


def change_call(
    name: str, method: str, route: str, decoder: Decoder[T], *, body: object = None, **ids: str
) -> Call[T]:
    """Change something, of which twice is the same as once: by itself, or by the key of a POST."""
    key = choose_key(None) if method == "POST" else None
    encoded = None if body is None else ENCODER.encode(body)
    return Call(name, Kind.REPEATABLE, method, route, _fill(route, ids), decoder, encoded, key)


def _fill(route: str, ids: Mapping[str, str]) -> str:
    for name, value in ids.items():
        route = route.replace(f"{{{name}}}", segment(name, value))
    return route
