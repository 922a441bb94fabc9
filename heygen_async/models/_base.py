"""
What all values share: open enums and moments.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(seconds: float | None) -> datetime | None:
    """Return Unix seconds as an aware datetime; None for none, and for what no calendar holds."""
    if seconds is None:
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


class OpenStrEnum(StrEnum):
    """An enum the service may extend: an unknown word becomes a member-like value that keeps its text."""

    __hash__ = str.__hash__  # equal as text, and an enum's own is many times slower

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # Never registered: the words come from outside, and remembering them all would be a leak.
        word = str.__new__(cls, value)
        word._name_ = value
        word._value_ = value
        return word

    @property
    def is_known(self) -> bool:
        """Whether this SDK knows the word."""
        return self._value_ in type(self)._value2member_map_
