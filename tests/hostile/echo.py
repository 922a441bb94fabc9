"""
How the service shows a text that it was sent.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Final

from hostile.dials import Echo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CUT: Final = 60

_TYPOGRAPHIC = {'"': "“", "'": "’", "...": "…"}

_ALTERED: Mapping[Echo, Callable[[str], str]] = {
    Echo.EXACT: lambda text: text,
    Echo.LF: lambda text: text.replace("\r\n", "\n"),
    Echo.CRLF: lambda text: re.sub(r"\r?\n", "\r\n", text),
    Echo.NEWLINE_ADDED: lambda text: text + "\n",
    Echo.STRIPPED: str.strip,
    Echo.NFC: lambda text: unicodedata.normalize("NFC", text),
    Echo.NFD: lambda text: unicodedata.normalize("NFD", text),
    Echo.SPACES: lambda text: re.sub(r"\s+", " ", text),
    Echo.QUOTES: lambda text: re.sub(r'"|\'|\.\.\.', lambda found: _TYPOGRAPHIC[found[0]], text),
    Echo.HTML: html.escape,
    Echo.ZERO_WIDTH: lambda text: text.replace(" ", " \u200b"),
    Echo.CUT: lambda text: text[:CUT],
    Echo.ELLIPSIS: lambda text: text[:CUT] + "…",
    Echo.PREFIX: lambda text: "User: " + text,
    Echo.ATTACHMENTS: lambda text: text,  # which then are messages of their own
    Echo.EMPTY: lambda _text: "",
}


def shown(text: str, echo: Echo) -> str:
    """Return what the session shows of *text*."""
    return _ALTERED[echo](text)
