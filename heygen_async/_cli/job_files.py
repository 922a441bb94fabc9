"""
Job files: CSV or JSON lines, as UTF-8, read row by row however long they are.

A file is read twice: first to say all that is wrong with it, then, while the batch runs, to make its jobs.
"""

from __future__ import annotations

import codecs
import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, cast

from .exit_codes import UsageError
from .job_rows import ParsedRow, RowError, RowReader, check_columns
from .output import brief, is_visible

if TYPE_CHECKING:
    from heygen_async.models import Mode

Format = Literal["csv", "jsonl"]

STDIN: Final = "/dev/stdin"
_FORMATS: Final[Mapping[str, Format]] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_WORKBOOKS: Final = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".numbers"})
_DELIMITERS: Final = (",", ";", "\t")  # spreadsheets of many countries write semicolons
_FOREIGN: Final = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_SHOWN_FAULTS: Final = 50  # faults in one message
_LONGEST_CELL: Final = (
    10_000_000  # characters; a prompt that is too long is reported as such, not as a broken file
)


@dataclass(frozen=True, slots=True)
class RowFault:
    """A line, and what is wrong with it."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class JobFile:
    """
    A job file that is open.

    Attributes:
        name: What messages call it.
        file: Its bytes, from the beginning again for each reading.
        form: How it is written.
        reader: What makes rows of cells.
    """

    name: str
    file: IO[bytes]
    form: Format
    reader: RowReader

    def rows(self) -> Iterator[ParsedRow]:
        """
        Yield the rows.

        Raises:
            UsageError: One is wrong, though none was when they were checked.
        """
        for item in self._read():
            if isinstance(item, RowFault):
                raise UsageError(
                    f"{self.name} was changed while it was read: line {item.line}: {item.problem}"
                )
            yield item

    def check(self) -> Iterator[ParsedRow]:
        """
        Yield the rows, to see whether all are good.

        Raises:
            UsageError: Some are not; all of them are named, once the file is read to its end.
        """
        faults: list[RowFault] = []
        for item in self.survey():
            if isinstance(item, RowFault):
                faults.append(item)
            elif not faults:
                yield item
        if faults:
            raise _refuse(self.name, faults)

    def survey(self) -> Iterator[ParsedRow | RowFault]:
        """
        Yield the good rows, and what is wrong with the others.

        Raises:
            UsageError: There are none.
        """
        is_empty, keys = True, dict[str, int]()
        for item in self._read():
            is_empty = False
            if isinstance(item, RowFault):
                yield item
            elif (name := item.key.casefold()) in keys:  # one file on some systems
                where = f"is that of line {keys[name]} too; keys must differ, and not in capitals only"
                yield RowFault(item.line, f"key: {brief(item.key)!r} {where}")
            else:
                keys[name] = item.line
                yield item
        if is_empty:
            raise UsageError(f"{self.name} has no jobs in it.", hint="Write a line for each video to make.")

    def _read(self) -> Iterator[ParsedRow | RowFault]:
        self.file.seek(0)
        lines = _Lines(self.file)
        cells = _csv_cells(lines) if self.form == "csv" else _json_cells(lines)
        number = 0
        try:
            for line, value in cells:
                number += 1
                try:
                    if isinstance(value, RowError):
                        raise value
                    yield self.reader.row(line, number, value)
                except RowError as error:
                    yield RowFault(line, str(error))
        except _BrokenError as error:
            # What follows cannot be split into rows any more.
            yield RowFault(error.line, str(error))


class _BrokenError(Exception):
    """The file cannot be read on from this line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


class _Lines:
    """The lines of a file as text, each with its end, and the number of the one read last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            self.number += 1
            if self.number == 1:
                if line[:2] in _FOREIGN:
                    raise _BrokenError(1, _not_utf8(_FOREIGN[line[:2]], "UTF-16"))
                line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x} at position {error.start + 1}"
                raise _BrokenError(self.number, _not_utf8(f"another encoding: {byte}")) from None
            if "\0" in text:
                raise _BrokenError(self.number, _not_utf8("binary: it has a zero byte"))
            yield text


def _not_utf8(but: str, encoding: str = "WINDOWS-1252") -> str:
    known = "" if encoding in but else " (with the encoding it has)"
    return (
        f"not UTF-8 but {but}; save it as “CSV UTF-8”, "
        f"or convert it: iconv -f {encoding} -t UTF-8 OLD > NEW{known}"
    )


def _csv_cells(lines: _Lines) -> Iterator[tuple[int, Mapping[str, object] | RowError]]:
    csv.field_size_limit(_LONGEST_CELL)
    source = iter(lines)
    header, delimiter = _header(lines, source)
    line = lines.number + 1
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, _pair_cells(header, cells)
            line = lines.number + 1
    except csv.Error as error:
        raise _BrokenError(line, f"not CSV: {error} (is a quote left open?)") from None


def _header(lines: _Lines, source: Iterator[str]) -> tuple[list[str], str]:
    first = next(source, "")
    for delimiter in _DELIMITERS:
        try:
            typed = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), list[str]())]
        except csv.Error:
            typed = []
        names = [name.lower() for name in typed]
        if "prompt" in names:
            break
    else:
        if not first.strip():
            raise _BrokenError(1, "is empty; write a line such as prompt,key and one for each video below it")
        raise _BrokenError(
            1,
            f"the first line must name the columns, and one of them must be prompt, not {brief(first, 40)!r}; "
            "put a line such as prompt,key above it",
        )
    while names and not names[-1]:
        names.pop()
    try:
        check_columns(dict(zip(names, typed, strict=False)))
    except RowError as error:
        raise _BrokenError(lines.number, str(error)) from None
    if len(set(names)) < len(names):
        raise _BrokenError(1, "a column is there twice")
    return names, delimiter


def _pair_cells(header: list[str], cells: list[str]) -> Mapping[str, object] | RowError:
    if any(cell.strip() for cell in cells[len(header) :]):
        return RowError(
            f"{len(cells)} cells for {len(header)} columns; a prompt with commas or line breaks needs quotes"
        )
    return {
        name: cell if name == "prompt" else cell.strip() for name, cell in zip(header, cells, strict=False)
    }


def _json_cells(lines: _Lines) -> Iterator[tuple[int, Mapping[str, object] | RowError]]:
    for text in lines:
        if text.strip():
            yield lines.number, _object(text)


def _object(text: str) -> Mapping[str, object] | RowError:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        return RowError(f"not JSON: {error}")
    except RecursionError:
        return RowError("not JSON that anybody wrote: nested too deep")
    if isinstance(value, str):
        return {"prompt": value}
    if not isinstance(value, dict):
        return RowError('must be a JSON object such as {"prompt": "..."}, all on one line')
    return cast("dict[str, Any]", value)


def _refuse(name: str, faults: list[RowFault]) -> UsageError:
    value = [f"line {fault.line}: {fault.problem}" for fault in faults[:_SHOWN_FAULTS]]
    if len(faults) > _SHOWN_FAULTS:
        value.append(f"and {len(faults) - _SHOWN_FAULTS:,} more")
    return UsageError("\n".join([f"{name} cannot be used; nothing was created.", *value]))


# ---- opening ------------------------------------------------------------------------------------------------------


@contextmanager
def open_jobs(source: str, mode: Mode) -> Generator[JobFile]:
    """
    Open a job file; standard input is kept in a temporary file, so that it can be read twice.

    Args:
        source: Its path, or `STDIN`.
        mode: The mode of rows that name none.

    Raises:
        UsageError: It is not there, or of no kind that is known.
    """
    if source == STDIN:
        # Unbuffered, as `run_in_thread` wants it.
        pipe = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
        with pipe, tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(pipe, spool)
            yield JobFile("standard input", spool, _guess_format(spool), RowReader(Path(), mode))
        return
    path = Path(source)
    form = _FORMATS.get(path.suffix.lower())
    if path.suffix.lower() in _WORKBOOKS:
        raise UsageError(
            f"{source} is a workbook, not a table of text.", hint="Save it as “CSV UTF-8” and give that file."
        )
    if form is None:
        raise UsageError(f"{source}: a job file ends in .csv, .jsonl or .ndjson; - reads standard input.")
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}.") from error
    with file:
        yield JobFile(path.name, file, form, RowReader(path.parent, mode))


def read_text(what: str, given: str | None, path: Path | None) -> str:
    """
    Return a prompt or message that was typed, is in a file, or comes from standard input; blocks.

    Args:
        what: What it is, for messages.
        given: What was typed; `STDIN` reads standard input.
        path: The file.

    Raises:
        UsageError: There is none, there are two, or it is no text.
    """
    if (given is None) == (path is None):
        problem = "is missing" if given is None else "is given twice"
        raise UsageError(
            f"The {what} {problem}.",
            hint=f"Give it in quotes, or --{what}-file FILE, or - to read standard input.",
        )
    if given is not None and given != STDIN:
        if not is_visible(given):
            raise UsageError(f"The {what} is empty.", hint=f"Write the {what} between the quotes.")
        return given
    name = "standard input" if path is None else str(path)
    try:
        data = sys.stdin.buffer.read() if path is None else path.read_bytes()
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.") from error
    encoding = "utf-16" if data[:2] in _FOREIGN else "utf-8-sig"
    try:
        text = data.decode(encoding).strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is {_not_utf8('another encoding')}.") from error
    if not is_visible(text):
        raise UsageError(f"{name} is empty.", hint=f"Write the {what} into it.")
    return text


def _guess_format(file: IO[bytes]) -> Format:
    """Return how standard input is written: JSON lines begin with a brace or a quote, and CSV with a column."""
    file.seek(0)
    start = file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()
    return "jsonl" if start.startswith((b"{", b'"{', b'"')) and not start.startswith(b'"prompt"') else "csv"
