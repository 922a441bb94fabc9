"""
Files of JSON lines that survive a killed process: each line is on the disk before anything relies on it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from .exit_codes import UsageError


def read_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """
    Yield each whole line and the object on it; a last line without its end is what a killed process left.

    Raises:
        UsageError: A line before it cannot be read: its job may have been made and paid for.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            if line.isspace():
                continue
            record = _object(line)
            if record is None:
                raise UsageError(
                    f"{path} is damaged: line {number} cannot be read.",
                    hint="Restore the file from a copy. Without its line a job would be made, and paid for, again.",
                )
            yield line, record


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def rewrite(path: Path, keep: Callable[[Mapping[str, Any]], bool]) -> None:
    """
    Drop the lines that are not to be kept, and what is half written, in one step.

    Args:
        path: The file; nothing happens when there is none.
        keep: Whether a line stays.
    """
    if not path.exists():
        return
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        for line, record in read_lines(path):
            if keep(record):
                file.write(line)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync_folder(path.parent)


class JsonlFile:
    """A file of JSON lines, open for appending by this process alone."""

    def __init__(self, path: Path) -> None:
        """
        Open it, and cut off what a killed process left half written.

        Raises:
            UsageError: Another process has it.
        """
        self._path = path
        self._file = path.open("a+b")
        self._lock = threading.Lock()
        try:
            _lock(self._file.fileno(), path)
            self._repair()
            _sync_folder(path.parent)
        except BaseException:
            self._file.close()
            raise

    def _repair(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        whole = 0
        for start in range(max(0, end - 65536), -1, -65536):
            self._file.seek(start)
            at = self._file.read(end - start).rfind(b"\n")
            if at >= 0:
                whole = start + at + 1
                break
        self._file.truncate(whole)

    def append(self, record: Mapping[str, object]) -> None:
        """
        Write a line; when this returns, it is on the disk.

        Raises:
            OSError: The disk refused.
        """
        line = json.dumps(record, ensure_ascii=True).encode() + b"\n"
        try:
            with self._lock:
                self._file.write(line)
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            error.filename = str(self._path)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what the disk refused was raised when it did
            self._file.close()


def _lock(descriptor: int, path: Path) -> None:
    """Take the file for this process; the system gives it back when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UsageError(
            f"Another run is using {path.parent}.", hint="Wait for it to end, or choose another --out."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder as lasting as the files; Windows does so by itself."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
