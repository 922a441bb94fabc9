"""How a service may change the caller's words before it shows them again."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

CUT_CHARACTERS: Final = 200

ECHOES: Final[Mapping[str, Callable[[str], str]]] = {
    "line_ends": lambda text: re.sub(r"\r?\n", "\r\n", text),
    "spaces": lambda text: " ".join(text.split()),
    "trimmed": str.strip,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "quotes": lambda text: text.replace("'", "\u2019").replace('"', "\u201d"),
    "escapes": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "html": lambda text: html.escape(text, quote=True),
    "zero_width": lambda text: text.replace(" ", " \u200b"),
    "cut": lambda text: text[:CUT_CHARACTERS],
    "ellipsis": lambda text: text if len(text) <= CUT_CHARACTERS else f"{text[:CUT_CHARACTERS]}\u2026",
    "prefix": lambda text: f"User request: {text}",
    "suffix": lambda text: f"{text}\n\n(sent by API)",
    "attachments": lambda text: text,
}
"""The echo of a text, by name. `attachments` leaves it, and shows attachments as a message of their own."""
