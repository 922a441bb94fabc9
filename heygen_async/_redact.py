"""
What may be shown: text without credentials and control characters, addresses without signatures, bodies cut short.

Foreign text is cut before it is searched, and each search is linear: a long one must not hold the loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import SupportsIndex
from urllib.parse import urlsplit

SHOWN = 200  # characters of a foreign text in a message: enough to recognise, too few to flood a log
# Characters of it that are looked through: addresses shrink when they lose their signatures.
_SEARCHED = 2_000

_WORD = re.compile(r"[^\s\"'<>]+")
_NAMED_SECRET = re.compile(
    r"\b(password|passwd|pwd|secret|api[_-]?key|access[_-]?token)([\"']?\s?[=:]\s?[\"']?)[^\s&;,\"']+",
    re.IGNORECASE,
)
# Control characters forge lines and steer terminals, marks of direction turn what one reads around.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Secret(str):
    """A string whose repr says nothing, nor that of its slices, so that a traceback's locals give nothing away."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Secret:
        return Secret(str.__getitem__(self, key))

    def removeprefix(self, prefix: str, /) -> Secret:
        """Return it without the prefix, secret still."""
        return Secret(str.removeprefix(self, prefix))


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without secrets, signatures and control characters, cut to 200 characters."""
    hidden = [str.__str__(secret) for secret in secrets]
    margin = max(map(len, hidden), default=0)
    is_cut = len(text) > _SEARCHED + margin
    text = text[: _SEARCHED + margin]
    for secret in hidden:
        text = text.replace(secret, "***")
    if is_cut and margin:
        text = text[:-margin]  # it may end in the first half of one
    text = _WORD.sub(lambda word: _without_credentials(word[0]), text) if "://" in text else text
    text = _UNSAFE.sub(_visible, _NAMED_SECRET.sub(r"\1\2***", text))
    return text if len(text) <= SHOWN and not is_cut else text[: SHOWN - 1] + "…"


def _without_credentials(address: str) -> str:
    """Strip an address of its query, which may be a signature, and of its user: neither helps a reader."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    place = re.split("[?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(place) :]:
        return f"{scheme}://***"  # the query may be the end of a password
    query = "?***" if len(place) < len(rest) else ""
    _, user, place = place.rpartition("@")  # the last one: passwords have others in them, and slashes
    return f"{scheme}://{'***@' if user else ''}{place}{query}"


def _visible(character: re.Match[str]) -> str:
    return " " if character[0] in "\t\n\r" else character[0].encode("unicode_escape").decode()


def host(url: str) -> str:
    """Return scheme, host and port of an address: all that a log needs of a presigned one."""
    try:
        urlsplit(url)
    except ValueError:
        return "an unreadable address"
    scheme, mark, place = _without_credentials(url).partition("://")
    name = re.split("[/?]", place.removeprefix("***@"), maxsplit=1)[0]
    return clean(f"{scheme}://{name}") if mark and name else "the same host"
