"""How the text of a user is shown again."""

from __future__ import annotations

import difflib
import html
import unicodedata


def describe_echo(sent: str, shown: str) -> str:
    """Return in words how `shown` differs from what was sent, without quoting it; nothing if it does not."""
    if shown == sent:
        return ""
    if shown.replace("\r\n", "\n") == sent:
        return "line ends differ"
    if unicodedata.normalize("NFC", shown) == unicodedata.normalize("NFC", sent):
        return "the Unicode form differs"
    if shown.split() == sent.split():
        return "spaces differ"
    if html.unescape(shown) == sent:
        return "it is escaped for HTML"
    cut = shown.rstrip("…. ")
    if cut and sent.startswith(cut):
        return f"it is cut after {len(cut)} characters"
    if sent in shown:
        return f"it stands among {len(shown) - len(sent)} other characters"
    likeness = difflib.SequenceMatcher(None, sent, shown, autojunk=False).ratio()
    return f"it is other text, {likeness:.0%} alike"
