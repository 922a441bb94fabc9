"""Calls to endpoints this release does not know: any path, any body, and the whole answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from ..errors import InvalidArgument
from ..errors._arguments import check_text, check_type
from .calls import Call, Kind, choose_key, encode
from .responses import NULL, Decoder, Envelope

_KINDS = {
    "GET": Kind.READ,
    "PUT": Kind.REPEATABLE,
    "DELETE": Kind.REPEATABLE,
    "POST": Kind.SEND,  # what twice does is not known here, so it is never repeated blindly
    "PATCH": Kind.SEND,
}
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+/?")


class WholeBody(Decoder[dict[str, object]]):
    """An answer as it is, with its `data` and where the next page starts."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(Envelope[dict[str, object]], without_body=dict[str, object])

    def _decode(self, body: bytes) -> Envelope[dict[str, object]]:
        """
        Return what the bytes say.

        Raises:
            msgspec.DecodeError: They are no JSON object.
        """
        members = msgspec.json.decode(body, type=dict[str, object])
        error = msgspec.Raw(NULL if members.get("error") is None else b"{}")
        return Envelope(data=members, error=error)

    def decode_leniently(self, raw: dict[str, object]) -> Envelope[dict[str, object]]:
        """Return what could be parsed."""
        return Envelope(data=raw)


def request(
    method: str,
    path: str,
    *,
    json: object = None,
    params: Mapping[str, object] | None = None,
    idempotency_key: str | None = None,
) -> Call[dict[str, object]]:
    """
    Call any endpoint of the service.

    Raises:
        InvalidArgument: Something that cannot be sent, or a path that is none.
    """
    kind = _KINDS.get(method.upper()) if isinstance(method, str) else None
    if kind is None:
        raise InvalidArgument("method", f"must be one of {', '.join(_KINDS)}")
    if not isinstance(path, str) or not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise InvalidArgument("path", "must be the path of an endpoint like /v3/videos; queries go to params")
    if json is not None and kind is Kind.READ:
        raise InvalidArgument("json", "cannot be sent with GET; queries go to params")
    key = None if idempotency_key is None and kind is not Kind.SEND else choose_key(idempotency_key)
    body = None if json is None else encode("json", json)
    route = "/".join(path.split("/")[:3])  # ids come after that, and a route has none
    return Call("request", kind, method.upper(), route, path + _query(params), WholeBody(), body, key)


def _query(params: Mapping[str, object] | None) -> str:
    check_type(Mapping | None, "a mapping of names to values", params=params)
    given: list[tuple[str, str]] = []
    for name, value in (params or {}).items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool | None):
            raise InvalidArgument("params", "must map names to text, numbers, true, false or None")
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            check_text(params=name + text)
            given.append((name, text))
    return f"?{urlencode(given)}" if given else ""
