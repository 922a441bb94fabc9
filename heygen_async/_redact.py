"""
What may be shown: text without credentials, addresses without their signatures, bodies cut short.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 200  # characters of a foreign text in a message: enough to recognise, too few to flood a log

# A query may be a signature, and user information is a credential; neither helps a reader.
_QUERY = re.compile(r"([a-z][a-z0-9+.-]{1,15}://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]{1,15}://)[^\s/@\"'<>]+@", re.IGNORECASE)


class Secret(str):
    """A string whose repr says nothing, so that a header dict in a traceback's locals gives nothing away."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without the secrets and without the queries of addresses, cut to 200 characters."""
    for secret in secrets:
        text = text.replace(str.__str__(secret), "***")
    text = _USERINFO.sub(r"\1***@", _QUERY.sub(r"\1?***", text))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def host(url: str) -> str:
    """Return scheme, host and port of an address: all that a log needs of a presigned one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable address"
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}" if place else "the same host"
