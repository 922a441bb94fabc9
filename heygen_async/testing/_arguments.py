"""Checks of what a test passes: each refuses an argument by its name, when it is passed and not when it is used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from ..errors._arguments import check_number, check_type

if TYPE_CHECKING:
    from types import UnionType


def check_seconds(**arguments: object) -> None:
    """
    Refuse what is no number from zero on; infinity is one.

    Raises:
        InvalidArgument: It is not.
    """
    check_number(0, math.inf, **{name: value for name, value in arguments.items() if value != math.inf})


def check_optional(kind: type | UnionType, words: str, /, **arguments: object) -> None:
    """
    Refuse what is neither None nor of a type.

    Raises:
        InvalidArgument: It is not.
    """
    check_type(kind | None, f"{words}, or None", **arguments)


def check_tuple(kind: type, words: str, /, **arguments: object) -> None:
    """
    Refuse what is no tuple of a type.

    Raises:
        InvalidArgument: It is not.
    """
    check_type(tuple, words, **arguments)
    for name, values in arguments.items():
        for value in cast("tuple[object, ...]", values):
            check_type(kind, words, **{name: value})
