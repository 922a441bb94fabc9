"""
The second reading of an answer: what one bad byte, field or row costs is that byte, field or row.

The rule stands in the models: a field with a default may be bad and then has its default; one without decides, as do
`video_id` and all amounts of money. A row of a list that lacks such a field is left out, and the page says so.
"""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, cast, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from ..models._base import Amounts

_DECISIVE = frozenset({"video_id"})
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")
_LOST = "\ufffd"  # what is shown in place of bytes that are no text
_DIGITS = 19  # of an integer that is one; longer ones are no numbers of this service
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


def load_object(body: bytes) -> dict[str, object]:
    """
    Parse a JSON object with a byte order mark, bytes that are no UTF-8, halves of characters, `NaN`.

    Raises:
        Unreadable: It is none for all that.
        RecursionError: It is nested too deeply.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    found, problem = None, "it is no JSON object"
    try:
        found = _scrub(json.loads(text, parse_constant=lambda _: None, parse_int=_integer))
    except json.JSONDecodeError as error:
        problem = f"it is no JSON ({error.msg} at {error.pos})"
    if isinstance(found, dict):
        return cast("dict[str, object]", found)
    # Out here: the error there carries the whole text, and secrets that were echoed in it.
    raise Unreadable(problem)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _scrub(value: object) -> object:
    """Return parsed JSON without halves of characters."""
    if isinstance(value, str):
        return _HALF_CHARACTERS.sub(_LOST, value)
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {_HALF_CHARACTERS.sub(_LOST, key): _scrub(item) for key, item in members.items()}
    if isinstance(value, list):
        return [_scrub(item) for item in cast("list[object]", value)]
    return value


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
        if get_origin(kind) is not tuple:
            return self._convert(value, kind, "$.data", is_exact=True)
        if value is None:
            self.skipped = 1
            self._record_fault("$.data")
            return ()
        rows = self._rows(value, get_args(kind)[0], "$.data")
        self.skipped = len(cast("list[object]", value)) - len(rows)
        return rows

    def text(self, value: object, place: str) -> str | None:
        """Return a text that may be missing or wrong."""
        try:
            return None if value is None else _scalar(value, str, place, is_exact=False)
        except Unreadable:
            self._record_fault(place)
            return None

    def _convert(self, value: object, kind: Any, place: str, *, is_exact: bool) -> Any:
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._struct(value, kind, place)
        if get_origin(kind) is tuple:
            return self._rows(value, get_args(kind)[0], place)
        return _scalar(value, kind, place, is_exact=is_exact)

    def _struct(self, value: object, kind: type[Struct], place: str) -> Struct:
        is_amount = issubclass(kind, Amounts)
        if not isinstance(value, dict):
            raise Unreadable(f"{place} is no object", is_final=is_amount)
        members = cast("dict[str, object]", value)
        found: dict[str, Any] = {}
        for item in structs.fields(kind):
            here, member = f"{place}.{item.encode_name}", members.get(item.encode_name)
            if member is None:
                if item.required:
                    raise Unreadable(f"{here} is missing", is_final=is_amount)
                continue
            decides = item.required or is_amount or item.name in _DECISIVE
            try:
                found[item.name] = self._convert(member, _without_none(item.type), here, is_exact=decides)
            except Unreadable as error:
                error.is_final |= is_amount
                if decides or error.is_final:
                    raise
                self._record_fault(here)
        return kind(**found)

    def _rows(self, value: object, kind: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Unreadable(f"{place} is no list")
        rows: list[Any] = []
        for number, item in enumerate(cast("list[object]", value)):
            here = f"{place}[{number}]"
            try:
                rows.append(self._convert(item, kind, here, is_exact=False))
            except Unreadable as error:
                if error.is_final:
                    raise
                self._record_fault(here)
        return tuple(rows)

    def _record_fault(self, place: str) -> None:
        if len(self.faults) < _SHOWN_FAULTS:
            self.faults.append(place)


def _without_none(kind: Any) -> Any:
    options = () if get_origin(kind) in (Annotated, tuple, dict) else get_args(kind)
    return next((option for option in options if option is not type(None)), kind)


def _scalar(value: object, kind: Any, place: str, *, is_exact: bool) -> Any:
    is_id = get_origin(kind) is Annotated and get_args(kind)[0] is str
    if is_id and isinstance(value, str) and _LOST in value:
        raise Unreadable(f"{place} is no id to the letter")
    if not is_exact and isinstance(value, int | float) and not isinstance(value, bool):
        value = _number_as(value, kind)
    try:
        found = msgspec.convert(value, kind, strict=is_exact and not isinstance(value, float))
    except msgspec.ValidationError as error:
        raise Unreadable(f"{place} is wrong: {error}") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise Unreadable(f"{place} is no number")
    return found


def _number_as(value: float, kind: Any) -> object:
    """Return a number as the text or the whole number that is wanted instead."""
    if isinstance(value, float) and math.isfinite(value) and kind is not float:
        value = int(value)
    return str(value) if kind is str else value
