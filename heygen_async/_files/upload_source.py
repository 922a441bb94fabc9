"""
What can be uploaded, made alike: a file of known size that can be read from any place, as often as needed.

A path, bytes and a seekable file object are that already. What can be read only once (an async iterator, a pipe) is
first laid down in a temporary file: the service wants the exact size and checksum before the first byte, and a retry
has to begin again. Memory stays flat either way.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, TypeVar, cast

import anyio
from msgspec import Struct

from ..errors import InvalidArgument, UploadError
from .media_types import HEAD_BYTES, media_type
from .object_store import StoredObject, is_address, translate_errors
from .progress import Meter

T = TypeVar("T")

# A text with `://` in it is the address of an object in a store.
Uploadable = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | AsyncIterable[bytes]

_BATCH_BYTES = 4 * 1024 * 1024  # for one trip to a worker thread
_LAID_BYTES = 256 * 1024  # the same, on the way into a temporary file
_PIECE_BYTES = 64 * 1024  # for the network: on a slow line the next one must be due before silence is
_IN_MEMORY_BYTES = 1024 * 1024  # what is laid down stays in memory up to here


class Source:
    """
    A file of known size and content.

    Attributes:
        label: What to call it in messages: never its content.
        name: The name of its own, None when it has none.
        size: In bytes.
        sha256: Its checksum, in hexadecimal; empty before `digest`.
        head: Its first kilobyte.
    """

    def __init__(self, file: IO[bytes], label: str, name: str | None) -> None:
        self.label = label
        self.name = name
        self._file = file
        # One position for all who read, also for a reader that was given up and has not noticed yet.
        self._lock = threading.Lock()
        self._start = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self._start
        self.head = self.read(0, HEAD_BYTES)
        self.sha256 = ""

    def read(self, at: int, size: int) -> bytes:
        """Return bytes from a place on; blocks."""
        with self._lock:
            self._file.seek(self._start + at)
            return bytes(self._file.read(min(size, self.size - at)))

    def media_type(self, announced_type: str | None = None) -> str:
        """
        Return the type to announce for it; see `media_types.media_type`.

        Raises:
            UploadError: The service would not take it, or it is of another type.
        """
        try:
            return media_type(self.head, announced_type)
        except UploadError as error:
            raise UploadError(f"{self.label}: {error}", hint=error.hint) from None

    async def batch(self, at: int) -> bytes:
        """
        Return the bytes from a place on, as many as are read at once.

        Raises:
            UploadError: They cannot be read, or are not there any more.
        """
        batch = await in_thread(self.label, partial(self.read, at, _BATCH_BYTES))
        if not batch:
            raise UploadError(f"{self.label} became shorter while it was read.", hint="Upload it again.")
        return batch

    async def digest(self) -> None:
        """
        Find the checksum.

        Raises:
            UploadError: It cannot be read.
        """
        checksum = hashlib.sha256()
        for at in range(0, self.size, _BATCH_BYTES):
            await in_thread(self.label, partial(self._add, checksum, at))
        self.sha256 = checksum.hexdigest()

    def _add(self, checksum: hashlib._Hash, at: int) -> None:
        checksum.update(self.read(at, _BATCH_BYTES))


class Content(Struct, eq=False):
    """A source as the body of a request, between what a form puts before and after it."""

    source: Source
    meter: Meter
    before: bytes = b""
    after: bytes = b""

    @property
    def length(self) -> int:
        """The bytes of the whole body."""
        return len(self.before) + self.source.size + len(self.after)

    async def __aiter__(self) -> AsyncGenerator[bytes | memoryview]:
        at, size = 0, self.source.size
        if self.before:
            yield self.before
        while at < size:
            rest = memoryview(await self.source.batch(at))
            while rest:
                await self.meter.report(at)
                piece, rest = rest[:_PIECE_BYTES], rest[_PIECE_BYTES:]
                yield piece
                at += len(piece)
        await self.meter.report(size)
        if self.after:
            yield self.after


@asynccontextmanager
async def open_source(source: Uploadable, filename: str | None = None) -> AsyncGenerator[Source]:
    """
    Open what is to be uploaded; closes what it opened and nothing else.

    Raises:
        InvalidArgument: Nothing that can be uploaded.
        UploadError: It cannot be read, or is empty.
    """
    label = label_of(source, filename)
    file, is_ours = await _file(source, label)
    try:
        ready = await in_thread(label, partial(Source, file, label, _own_name(source)))
        if not ready.size:
            raise UploadError(
                f"{label} is empty.",
                hint="A file object is read from where it stands, an iterator only once.",
            )
        yield ready
    finally:
        if is_ours:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(file.close)


def label_of(source: object, filename: str | None = None) -> str:
    """Return what to call something in messages: a path, or the name its uploader knows it by."""
    if isinstance(source, str | os.PathLike):
        return str(cast("str | os.PathLike[str]", source))
    name = filename or _own_name(source)
    return f"The file {name!r}" if name else f"The {type(source).__name__}"


def _own_name(source: object) -> str | None:
    if not isinstance(source, str | os.PathLike):
        source = cast("object", getattr(source, "name", None))
    if not isinstance(source, str | os.PathLike):
        return None  # bytes have none, and that of a pipe may be a number
    return Path(cast("str | os.PathLike[str]", source)).name or None


async def _file(source: Uploadable, label: str) -> tuple[IO[bytes], bool]:
    """Return something to read and seek in, and whether it is ours to close."""
    if is_address(source):
        return await in_thread(label, lambda: StoredObject("source", source).open()), True
    if isinstance(source, str | os.PathLike):
        return await in_thread(label, partial(_open_path, Path(source))), True
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source), True
    if isinstance(source, AsyncIterable):
        return await _laid_down(source, label), True
    if not callable(getattr(source, "read", None)):
        raise InvalidArgument("source", "must be a path, bytes, a binary file or an async iterator of bytes")
    if await in_thread(label, partial(_is_seekable, source, label)):
        return source, False
    return await _laid_down(_read(source, label), label), True


def _open_path(path: Path) -> IO[bytes]:
    # Looked at first: opening a pipe would wait for somebody to write into it.
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise UploadError(f"{path} is a folder.", hint="Upload its files one by one.")
    if not stat.S_ISREG(kind):
        raise UploadError(f"{path} is not a regular file.")
    return path.open("rb", buffering=0)


def _is_seekable(file: IO[bytes], label: str) -> bool:
    if isinstance(cast("object", file), io.TextIOBase):
        raise UploadError(f"{label} was opened as text.", hint="Open it in binary mode: open(path, 'rb').")
    seekable = getattr(file, "seekable", None)
    return bool(seekable()) if callable(seekable) else False


async def _read(file: IO[bytes], label: str) -> AsyncGenerator[bytes]:
    while batch := await in_thread(label, partial(file.read, _LAID_BYTES)):
        yield batch


async def _laid_down(chunks: AsyncIterable[bytes], label: str) -> IO[bytes]:
    import tempfile  # few uploads need one

    copy = await in_thread(label, partial(tempfile.SpooledTemporaryFile[bytes], max_size=_IN_MEMORY_BYTES))
    try:
        gathered: list[bytes] = []
        held = 0
        async for chunk in chunks:
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise InvalidArgument("source", f"yielded {type(chunk).__name__}, not bytes")
            gathered.append(bytes(chunk))  # a buffer may be used again
            held += len(chunk)
            if held >= _LAID_BYTES:
                await in_thread(label, partial(copy.writelines, gathered))
                gathered, held = [], 0
        await in_thread(label, partial(copy.writelines, gathered))
        await in_thread(label, partial(copy.seek, 0))
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(copy.close)
        raise
    return copy


async def in_thread(label: str, work: Callable[[], T]) -> T:
    """
    Do something that blocks, and say what failed in our words.

    Raises:
        UploadError: The file system refused.
    """
    try:
        with translate_errors(UploadError, label) if is_address(label) else nullcontext():
            return await anyio.to_thread.run_sync(work)
    except OSError as error:
        raise UploadError(f"{label} cannot be read: {error.strerror or type(error).__name__}.") from error
    except ValueError as error:  # a closed file, a path with a zero byte
        raise UploadError(f"{label} cannot be read: {error}.") from error
