"""
The second reading of an answer: what one bad byte, field or row costs is that byte, field or row.

The rule stands in the models: a field with a default may be bad and then has its default; one without decides, as do
`video_id` and all amounts of money. A row of a list that lacks such a field is left out, and the page says so.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, cast

from msgspec import inspect

from ..models._base import Amounts

_DECISIVE = frozenset({"video_id"})
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")
_DIGITS = 19  # of an integer that is one; longer ones are no numbers of this service
_LARGEST = 2**63
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_SHOWN_FAULTS = 20


class Unreadable(ValueError):
    """
    A value that cannot be what it must be; the message names its place.

    Attributes:
        is_final: Whether it costs the whole answer, as a wrong amount does.
    """

    def __init__(self, problem: str, *, is_final: bool = False) -> None:
        super().__init__(problem)
        self.is_final = is_final


def loads(body: bytes) -> object:
    """
    Parse JSON with a byte order mark, bytes that are no UTF-8, halves of characters, `NaN`.

    Raises:
        Unreadable: It is no JSON for all that.
        RecursionError: It is nested too deeply.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, parse_constant=lambda _: None, parse_int=_integer)
    except json.JSONDecodeError as error:
        problem = f"it is no JSON ({error.msg} at {error.pos})"
    # Out here: the error there carries the whole text, and secrets that were echoed in it.
    raise Unreadable(problem)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


class LenientReader:
    """
    Turns parsed JSON into a model, and keeps what had to be left out.

    Attributes:
        faults: The places of what was left out or replaced, the first ones.
        skipped: Rows of the page that were left out.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.skipped = 0

    def read(self, value: object, kind: object) -> Any:
        """
        Return the data of an answer.

        Raises:
            Unreadable: Something decisive is missing or wrong.
        """
        wanted = inspect.type_info(kind)
        if isinstance(wanted, inspect.VarTupleType):
            if value is None:
                self.skipped = 1
                self._note("$.data")
                return ()
            rows = self._rows(value, wanted.item_type, "$.data")
            self.skipped += len(cast("list[object]", value)) - len(rows)
            return tuple(rows)
        return self._convert(value, wanted, "$.data", exact=True)

    def text(self, value: object, place: str) -> str | None:
        """Return a text that may be missing or wrong."""
        try:
            return None if value is None else _text(value, place, exact=False)
        except Unreadable:
            self._note(place)
            return None

    def _convert(self, value: object, kind: inspect.Type, place: str, *, exact: bool) -> Any:
        match kind:
            case inspect.StructType():
                return self._struct(value, kind, place)
            case inspect.VarTupleType():
                return tuple(self._rows(value, kind.item_type, place))
            case inspect.DictType():
                return self._dict(value, kind, place)
            case inspect.UnionType():
                return self._union(value, kind, place, exact=exact)
            case _:
                return _scalar(value, kind, place, exact=exact)

    def _struct(self, value: object, kind: inspect.StructType, place: str) -> Any:
        is_amount = issubclass(kind.cls, Amounts)
        if not isinstance(value, dict):
            raise Unreadable(f"{place} is no object", is_final=is_amount)
        members = cast("dict[str, object]", value)
        found: dict[str, Any] = {}
        for item in kind.fields:
            here, member = f"{place}.{item.encode_name}", members.get(item.encode_name)
            if member is None:
                if item.required:
                    raise Unreadable(f"{here} is missing", is_final=is_amount)
                continue
            decides = item.required or is_amount or item.name in _DECISIVE
            try:
                found[item.name] = self._convert(member, item.type, here, exact=decides)
            except Unreadable as error:
                error.is_final |= is_amount
                if decides or error.is_final:
                    raise
                self._note(here)
        return kind.cls(**found)

    def _rows(self, value: object, kind: inspect.Type, place: str) -> list[Any]:
        if not isinstance(value, list):
            raise Unreadable(f"{place} is no list")
        rows: list[Any] = []
        for number, item in enumerate(cast("list[object]", value)):
            here = f"{place}[{number}]"
            try:
                rows.append(self._convert(item, kind, here, exact=False))
            except Unreadable as error:
                if error.is_final:
                    raise
                self._note(here)
        return rows

    def _dict(self, value: object, kind: inspect.DictType, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unreadable(f"{place} is no object")
        members = cast("dict[str, object]", value)
        return {
            _whole(key): self._convert(item, kind.value_type, f"{place}.*", exact=False)
            for key, item in members.items()
        }

    def _union(self, value: object, kind: inspect.UnionType, place: str, *, exact: bool) -> Any:
        problem = Unreadable(f"{place} is of the wrong type")
        for option in kind.types:
            if isinstance(option, inspect.NoneType):
                continue
            try:
                return self._convert(value, option, place, exact=exact)
            except Unreadable as error:
                problem = error
        raise problem

    def _note(self, place: str) -> None:
        if len(self.faults) < _SHOWN_FAULTS:
            self.faults.append(place)


def _whole(text: str) -> str:
    return _HALF_CHARACTERS.sub("\ufffd", text)


def _scalar(value: object, kind: inspect.Type, place: str, *, exact: bool) -> Any:
    match kind:
        case inspect.EnumType():
            return kind.cls(_text(value, place, exact=exact))
        case inspect.StrType():
            is_id = kind.min_length is not None
            return _id(value, kind, place) if is_id else _text(value, place, exact=exact)
        case inspect.IntType():
            return _int(value, place, exact=exact)
        case inspect.FloatType():
            return _float(value, place, exact=exact)
        case inspect.BoolType():
            return _bool(value, place)
        case _:
            return scrub(value)


def _text(value: object, place: str, *, exact: bool) -> str:
    if isinstance(value, str):
        return _whole(value)
    if exact or isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{place} is no text")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _id(value: object, kind: inspect.StrType, place: str) -> str:
    """Return an id, which is right to the letter or none."""
    if not isinstance(value, str) or not re.search(kind.pattern or ".", value, re.DOTALL):
        raise Unreadable(f"{place} is no id")
    if _HALF_CHARACTERS.search(value):
        raise Unreadable(f"{place} has half a character")
    return value


def _int(value: object, place: str, *, exact: bool) -> int:
    number = _float(value, place, exact=exact)
    if abs(number) >= _LARGEST or (exact and not number.is_integer()):
        raise Unreadable(f"{place} is no integer")
    return value if isinstance(value, int) else int(number)


def _float(value: object, place: str, *, exact: bool) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and (exact or not isinstance(value, str)):
        raise Unreadable(f"{place} is no number")
    try:
        number = float(cast("float | str", value))
    except (ValueError, OverflowError):
        raise Unreadable(f"{place} is no number") from None
    if not math.isfinite(number):
        raise Unreadable(f"{place} is no number")
    return number


def _bool(value: object, place: str) -> bool:
    known = _BOOLEANS.get(str(value).lower())
    if known is None:
        raise Unreadable(f"{place} is neither true nor false")
    return known


def scrub(value: object) -> object:
    """Return parsed JSON without halves of characters."""
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, Mapping):
        return {_whole(key): scrub(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [scrub(item) for item in cast("list[object]", value)]
    return value
