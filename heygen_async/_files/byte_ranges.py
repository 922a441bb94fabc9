"""
How a download continues where it broke off: what to ask for, and what the answer brings.

A half file is worth something only as long as the file at the other end is the same. `If-Range` lets the storage
host decide that (RFC 9110, 13.1.5): the rest when it is, the whole when it changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct

from .._api.responses import read_date
from ..errors import BadResponse

# Sizes have at most 18 digits: longer ones are no sizes, and Python refuses to read very long ones.
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_SIZE = re.compile(r"[0-9]{1,18}")


class PartInfo(Struct, frozen=True, kw_only=True):
    """
    What is kept beside a half file, so that another process can go on with it.

    Attributes:
        of: What the file is.
        validator: Tells one version of it from the next; None when the host gave none that does.
        total: Its size in bytes.
    """

    of: str
    validator: str | None = None
    total: int | None = None


def read(text: bytes) -> PartInfo | None:
    """Return the record, None when it cannot be read: a kill may have torn it."""
    try:
        return msgspec.json.decode(text, type=PartInfo)
    except (msgspec.DecodeError, ValueError):
        return None


def next_start(info: PartInfo, size: int) -> int:
    """Return from where to ask for the rest of a file of which the first `size` bytes are here."""
    if info.validator is None:
        return 0
    # Of a whole file the last byte is asked for again: it costs nothing and says whether the file is still the same.
    return size if info.total is None else max(0, min(size, info.total - 1))


def range_headers(info: PartInfo, start: int) -> dict[str, str]:
    """Return the headers that ask for the bytes from `start` on of the version in the record."""
    if start == 0 or info.validator is None:
        return {}
    return {"range": f"bytes={start}-", "if-range": info.validator}


def read_answer(info: PartInfo, start: int, status: int, headers: Mapping[str, str]) -> tuple[PartInfo, int]:
    """
    Return which version of the file a successful answer brings, and from which byte on.

    A host may send the whole file as a range of its own, asked or not.

    Raises:
        BadResponse: A part of the file that was not asked for.
    """
    if status != HTTPStatus.PARTIAL_CONTENT:
        length = headers.get("content-length", "")
        total = int(length) if _SIZE.fullmatch(length) else None
        return _describe(info.of, headers, total), 0
    found = _RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None or int(found[1]) not in {0, start}:
        raise BadResponse("The storage host sent another part of the file than was asked for.", status=status)
    total = None if found[3] == "*" else int(found[3])
    if int(found[1]) == 0:
        return _describe(info.of, headers, total), 0
    if info.total is not None and total is not None and total != info.total:
        raise BadResponse("The storage host sent a part of a file of another size.", status=status)
    return PartInfo(of=info.of, validator=info.validator, total=info.total or total), start


def _describe(of: str, headers: Mapping[str, str], total: int | None) -> PartInfo:
    """Describe a whole file; one that is packed on the way has no known size and no ranges."""
    if headers.get("content-encoding", "identity") != "identity":
        return PartInfo(of=of)
    return PartInfo(of=of, validator=_validator(headers), total=total)


def _validator(headers: Mapping[str, str]) -> str | None:
    """Return what tells versions apart to the byte: a strong tag, or a date old enough to be one."""
    tag = headers.get("etag", "")
    if tag and not tag.startswith("W/"):
        return tag
    modified = headers.get("last-modified", "")
    now, then = read_date(headers.get("date", "")), read_date(modified)
    # RFC 9110, 8.8.2.2: within the same second the file could have been written twice.
    return modified if now is not None and then is not None and now - then >= 1 else None
