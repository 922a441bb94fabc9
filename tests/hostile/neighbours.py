"""
What other processes of the same account do while our write is on its way.
"""

from __future__ import annotations

from hostile.dials import Others

THEM = "another process"
UNRELATED = "Three tips for watering a fern."

# When, in seconds from the arrival of our write.
_DURING = 0.05
_WHEN = {Others.SAME_BEFORE: -5.0, Others.SAME_AFTER: 3.0}


def theirs(others: Others, ours: str) -> tuple[float, str] | None:
    """Return when another process writes, and what; None when it does not."""
    match others:
        case Others.NOTHING:
            return None
        case Others.SIMILAR:
            return _DURING, similar(ours)
        case Others.UNRELATED:
            return _DURING, UNRELATED
        case _:
            return _WHEN.get(others, _DURING), ours


def similar(text: str) -> str:
    """Return a text that a person would tell apart by its last word."""
    words = text.rstrip()
    return words[: words.rindex(" ")] + " Tuesday." + text[len(words) :]
