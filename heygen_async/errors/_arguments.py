"""
Checks of what a caller passes: each refuses an argument by its name, before anything is sent.

Arguments come as keywords, so that the name in the error is the one the caller wrote; `given` leaves out what is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import UnionType
from typing import TypeGuard, TypeVar
from urllib.parse import urlsplit

from . import InvalidArgument

T = TypeVar("T")

_SURROGATE = re.compile("[\ud800-\udfff]")


def given(**arguments: object) -> dict[str, object]:
    """Return the arguments that are not None: the optional ones that the caller passed."""
    return {name: value for name, value in arguments.items() if value is not None}


def check_type(kind: type | UnionType, words: str, /, **arguments: object) -> None:
    """
    Refuse what is not of a type.

    Raises:
        InvalidArgument: It is not; the message says `words`.
    """
    _check(arguments, lambda value: isinstance(value, kind), words)


def check_callable(**arguments: object) -> None:
    """
    Refuse what cannot be called.

    Raises:
        InvalidArgument: It cannot.
    """
    _check(arguments, callable, "a callable")


def check_number(least: float, below: float, /, **arguments: object) -> None:
    """
    Refuse what is no number from `least` up to `below`.

    Raises:
        InvalidArgument: It is not.
    """
    words = f"a number from {least:g} up to {below:g}"
    _check(arguments, lambda value: _is_number(value) and least <= value < below, words)


def check_positive(**arguments: object) -> None:
    """
    Refuse what is no number above zero, or infinite.

    Raises:
        InvalidArgument: It is.
    """
    _check(arguments, lambda value: _is_number(value) and 0 < value < math.inf, "a positive number")


def check_count(least: int = 1, most: float = math.inf, /, **arguments: object) -> None:
    """
    Refuse what is no whole number from `least` to `most`.

    Raises:
        InvalidArgument: It is not.
    """
    words = f"a whole number, from {least} to {most:g}"
    check_type(int, words, **arguments)
    _check(arguments, lambda value: _is_number(value) and least <= value <= most, words)


def check_text(**arguments: object) -> None:
    """
    Refuse what is no text, blank, or has half a character (a lone surrogate), which cannot be sent.

    Raises:
        InvalidArgument: It is.
    """
    _check(arguments, lambda value: isinstance(value, str) and bool(value.strip()), "a non-empty string")
    _check(
        arguments,
        lambda value: not _SURROGATE.search(str(value)),
        "text without half characters (surrogates)",
    )


def check_https(words: str, plain_hosts: Collection[str] = (), /, **arguments: object) -> None:
    """
    Refuse what is no https address; to some hosts plain http will do.

    Raises:
        InvalidArgument: It is not; the message says `words`.
    """
    check_text(**arguments)
    _check(arguments, lambda value: _is_https(str(value), plain_hosts), words)


def check_choice(choices: Sequence[str | None], /, **arguments: object) -> None:
    """
    Refuse what is none of some words.

    Raises:
        InvalidArgument: It is not.
    """
    _check(arguments, lambda value: value in choices, f"one of {', '.join(map(repr, choices))}")


def list_of(name: str, values: Iterable[T]) -> list[T]:
    """
    Return the items of an iterable.

    Raises:
        InvalidArgument: It is none; one string is not taken for its characters.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidArgument(name, f"must be several items, such as a list, not {type(values).__name__}")
    return list(values)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_https(url: str, plain_hosts: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in plain_hosts))


def _check(arguments: Mapping[str, object], is_right: Callable[[object], bool], words: str) -> None:
    for name, value in arguments.items():
        if not is_right(value):
            raise InvalidArgument(name, f"must be {words}")
