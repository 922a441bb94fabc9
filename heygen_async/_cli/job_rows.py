"""
A row of a job file becomes a job, or a sentence on what is wrong with it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from heygen_async import InvalidArgument, Job

from .exit_codes import UsageError
from .output import brief

if TYPE_CHECKING:
    from heygen_async.models import Mode

# What a batch decides itself; all other fields of a job are columns, so that a new one is a column at once.
_NO_COLUMNS: Final = frozenset({"idempotency_key", "reviewer", "timeout", "ref", "begun_at"})
# All but `files`, `extra`, the numbers and the two switches are text.
COLUMNS: Final = (
    *("prompt", "key"),
    *(item.name for item in fields(Job) if item.name not in {"prompt", "key"} | _NO_COLUMNS),
)
_NUMBERS: Final = frozenset({"expected_seconds", "max_seconds"})
_CHOICES: Final = {
    "mode": frozenset({"chat", "generate"}),
    "orientation": frozenset({"landscape", "portrait"}),
}
_SWITCHES: Final = frozenset({"auto_proceed", "incognito_mode"})
_WORDS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class RowError(UsageError):
    """What is wrong with a row."""


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """
    One job as it stands in the file.

    Attributes:
        line: The line it begins at.
        key: Its name; `row-N` for the Nth row when the file gives none.
        options: What `Job` is made with.
        fingerprint: What tells that a later run has the same job under this key.
    """

    line: int
    key: str
    options: Mapping[str, Any]
    fingerprint: str

    def job(self, **more: Any) -> Job:
        """
        Return the job.

        Args:
            **more: Options that are not the file's.

        Raises:
            RowError: The service would refuse it.
        """
        options: dict[str, Any] = {**self.options, "key": self.key, **more}
        try:
            return Job(**options)
        except InvalidArgument as error:
            raise RowError(str(error)) from error


@dataclass(frozen=True, slots=True)
class RowReader:
    """
    Makes rows of cells.

    Attributes:
        folder: What paths in the file start from.
        mode: The mode of rows that name none.
    """

    folder: Path
    mode: Mode

    def row(self, line: int, number: int, cells: Mapping[str, object]) -> ParsedRow:
        """
        Return the row of these cells.

        Args:
            line: Where it begins in the file.
            number: The how manieth row it is, from 1.
            cells: What it says, by column; empty cells say nothing.

        Raises:
            RowError: A column nobody knows, no prompt, a value of the wrong kind, a file that is not there.
        """
        check_columns({name: name for name in cells})
        values = {name: value for name, value in cells.items() if value not in (None, "", [])}
        faults: list[str] = []
        if not str(values.get("prompt", "")).strip():
            faults.append("prompt: is missing")
        values.setdefault("mode", self.mode)
        options: dict[str, Any] = {}
        for name, value in values.items():
            try:
                options[name] = self._value(name, value)
            except RowError as error:
                faults.append(str(error))
        if faults:
            raise RowError("; ".join(faults))
        key = options.pop("key", f"row-{number}")
        row = ParsedRow(line, key, options, _fingerprint(values))
        row.job()
        return row

    def _value(self, name: str, value: object) -> object:
        if name == "files":
            return find_files(_texts(value), self.folder)
        if name in _SWITCHES:
            return _switch(name, value)
        if name == "extra":
            return _object(value)
        if name in _NUMBERS:
            return _number(name, value)
        if not isinstance(value, str):
            raise RowError(f"{name}: must be text, not {brief(json.dumps(value), 30)}")
        if name in _CHOICES:
            return _choice(name, value)
        return value if name == "prompt" else value.strip()


def find_files(items: Iterable[str], folder: Path = Path()) -> tuple[str | Path, ...]:
    """
    Return addresses as they are, which the client checks, and anything else as the path of a file; blocks.

    Args:
        items: What was typed.
        folder: Where paths start from.

    Raises:
        RowError: A file is not there.
    """
    return tuple(item if "://" in item else _find_file(item, folder) for item in items)


def _find_file(item: str, folder: Path) -> Path:
    # Not Path.expanduser(), which raises where a home is nobody's.
    path = folder / os.path.expanduser(item)  # noqa: PTH111
    try:
        is_there = path.is_file()
    except OSError:  # a folder nobody may look into, a name that is too long
        is_there = False
    if not is_there:
        raise RowError(f"files: there is no file {brief(str(path), 120)}")
    return path


def check_columns(columns: Mapping[str, str]) -> None:
    """
    Refuse names that stand for nothing, all at once.

    Args:
        columns: The names, and how they were typed.

    Raises:
        RowError: Some do.
    """
    guesses = {typed: _guess(name) for name, typed in columns.items() if name not in COLUMNS}
    if guesses:
        faults = [f"unknown column {brief(typed, 40)!r}{guess}" for typed, guess in guesses.items()]
        known = "" if all(guesses.values()) else f"; known are {', '.join(COLUMNS)}"
        raise RowError(f"{'; '.join(faults)}{known}")


def _guess(name: str) -> str:
    word = name.strip().lower()
    for column, choices in _CHOICES.items():
        if word in choices:
            return f" (write it in a column {column})"
    near = difflib.get_close_matches(word, COLUMNS, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _number(name: str, value: object) -> float:
    try:
        return float(value) if isinstance(value, str | int | float) else float("nan")
    except (ValueError, OverflowError):
        raise RowError(f"{name}: must be a number of seconds, not {brief(str(value), 30)!r}") from None


def _choice(name: str, value: str) -> str:
    word = value.strip().lower()
    if word not in _CHOICES[name]:
        raise RowError(f"{name}: must be {' or '.join(sorted(_CHOICES[name]))}, not {brief(value, 30)!r}")
    return word


def _fingerprint(cells: Mapping[str, object]) -> str:
    values = {name: value for name, value in cells.items() if name not in _NUMBERS}
    # Of the cells as they stand there: another working directory makes another path, not another job.
    text = json.dumps(values, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def _texts(value: object) -> list[str]:
    """Return what a cell or a list names; in a cell, several stand on lines or between semicolons."""
    if isinstance(value, str):
        return [part.strip() for part in value.replace("\n", ";").split(";") if part.strip()]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnknownVariableType]
        return [str(item) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise RowError("files: must be a list of paths and addresses")


def _switch(name: str, value: object) -> bool:
    switch = value if isinstance(value, bool) else _WORDS.get(str(value).strip().lower())
    if switch is None:
        raise RowError(f"{name}: must be true or false, not {brief(str(value), 30)!r}")
    return switch


def _object(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise RowError("extra: must be a JSON object") from None
    if not isinstance(value, dict):
        raise RowError("extra: must be a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]
