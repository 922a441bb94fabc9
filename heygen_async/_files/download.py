"""
Downloads: in pieces, through broken connections and expired links, under the final name only when the file is whole.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import anyio

from .. import _clock
from .._api import responses
from .._api.calls import Kind
from .._http.retry import Again, Tries
from .._redact import clean
from ..errors import APIError, BadResponse, ConnectionLost, DownloadError, InvalidArgument, TransportError
from . import byte_ranges, content
from .part_file import PartFile
from .progress import Meter

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .._http.client import ApiClient
    from .._http.transport import ResponseStream
    from ..models import OnProgress

T = TypeVar("T")

log = logging.getLogger("heygen_async")

# How storage hosts answer an expired link; only a fresh link shows whether it was that.
_EXPIRED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
# These refuse the moment, not the range that was asked for.
_TRANSIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_BATCH_BYTES = 2 * 1024 * 1024  # for one trip to a worker thread
_BATCH_SECONDS = 1.0  # a slow connection must not keep bytes in memory until a batch is full


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """
    A file at a storage host.

    Attributes:
        what: What it is, for messages and for the record beside a half file.
        name: What to call it in a folder.
        url: Its link, None when it has to be asked for.
        refresh: Asks for a new link; None when there is none.
    """

    what: str
    name: str
    url: str | None = field(repr=False)
    refresh: Callable[[], Awaitable[str | None]]


async def download_file(
    api: ApiClient,
    remote: RemoteFile,
    target: str | os.PathLike[str],
    *,
    resume: bool,
    overwrite: bool,
    on_progress: OnProgress | None,
) -> Path:
    """
    Save a file and return its path.

    Raises:
        InvalidArgument: The target is no path.
        DownloadError: It could not be fetched or written, or what came is not the file.
        APIError: The service refused to give a fresh link.
        ClientStateError: The client is closed or belongs to another loop.
    """
    is_folder = check_target(target)
    api.bind()
    choose = partial(_choose_path, Path(target), remote.name, is_folder=is_folder, overwrite=overwrite)
    path = await _in_thread(remote, choose)
    part = await _in_thread(remote, partial(PartFile, path, remote.what, resume=resume))
    try:
        await _FileDownload(api, remote, part, on_progress).run()
        await _in_thread(remote, partial(part.finish, overwrite=overwrite))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(part.close, keep=resume))
    return path


def check_target(target: object) -> bool:
    """
    Return whether a target names a folder by its last character.

    Raises:
        InvalidArgument: It is no path, or one that no system can open.
    """
    path: object = (
        cast("os.PathLike[str]", target).__fspath__() if isinstance(target, os.PathLike) else target
    )
    if not isinstance(path, str):
        raise InvalidArgument("target", f"must be the path of a file or a folder, not {type(path).__name__}")
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise InvalidArgument("target", f"must be a path that a file can have, not {path!a}")
    return path.endswith(("/", os.sep))


def _choose_path(target: Path, name: str, *, is_folder: bool, overwrite: bool) -> Path:
    if is_folder:
        target.mkdir(parents=True, exist_ok=True)
    path = target / name if is_folder or target.is_dir() else target
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(path)
    return path


class _StorageRefusal(Exception):
    """The storage host refused; not an `APIError`, which only the service raises."""

    def __init__(self, error: APIError) -> None:
        super().__init__(str(error))
        self.error = error


class _FileDownload:
    """The attempts of one download."""

    __slots__ = ("_api", "_is_fresh", "_meter", "_part", "_remote", "_start", "_url", "_wants_whole")

    def __init__(
        self, api: ApiClient, remote: RemoteFile, part: PartFile, on_progress: OnProgress | None
    ) -> None:
        self._api = api
        self._remote = remote
        self._part = part
        self._meter = Meter(on_progress, part.info.total)
        self._url = remote.url
        self._start = 0  # where the range of the current attempt begins
        self._is_fresh = False  # the link was asked for after a refusal
        self._wants_whole = False  # the host refuses ranges

    async def run(self) -> None:
        """Repeat until the file is whole; attempts are counted from the last one that brought something new."""
        policy, best, since = self._api.retry, self._part.size, _clock.now()
        tries = Tries(policy)
        while True:
            tries.count += 1
            try:
                await self._attempt(await self._link())
                break
            except (_StorageRefusal, TransportError) as error:
                if self._part.size > best:
                    tries, best, since = Tries(policy), self._part.size, _clock.now()
                    tries.count, self._is_fresh = 1, False
                wait = self._pause(tries, error, _clock.now() - since)
            extra = {"event": "transfer_retry", "operation": "download", "after": wait}
            log.info("%s broke off; again in %.1f s", self._remote.what, wait, extra=extra)
            self._api.counters.retries += 1
            await _clock.sleep(wait)
        await self._meter.finish(self._part.size)

    async def _link(self) -> str:
        if self._url is None:
            try:
                self._url = await self._remote.refresh()
            except TransportError as error:
                raise _failed(self._remote, error) from error
        if self._url is None:
            raise DownloadError(
                f"{self._remote.what} has no link.",
                hint="Wait until it is finished, then read it again.",
            )
        return self._url

    def _pause(self, tries: Tries, problem: _StorageRefusal | TransportError, elapsed: float) -> float:
        """
        Return the seconds to the next attempt.

        Raises:
            DownloadError: There is none.
        """
        policy, jitter = self._api.retry, self._api.rng.random()
        error = problem.error if isinstance(problem, _StorageRefusal) else problem
        status = error.status if isinstance(error, APIError) else None
        if status in _EXPIRED and not (self._is_fresh and self._start):
            self._url, self._is_fresh = None, True
            step = tries.again(error, elapsed=elapsed, policy=policy, jitter=jitter)
            # A fresh link works at once, or it was not the link.
            step = Again(0.0) if isinstance(step, Again) and tries.count == 1 else step
        elif self._start and _refuses_range(status):
            # The half file stays until the whole one begins to arrive.
            self._wants_whole = True
            step = tries.again(error, elapsed=elapsed, policy=policy, jitter=jitter)
        else:
            if isinstance(error, BadResponse):
                self._url = None  # some hosts answer an expired link with a page
            step = tries.next_step(Kind.READ, error, elapsed=elapsed, policy=policy, jitter=jitter)
        if not isinstance(step, Again):
            raise _failed(self._remote, error) from error
        return step.after

    async def _attempt(self, url: str) -> None:
        part = self._part
        self._start = 0 if self._wants_whole else byte_ranges.next_start(part.info, part.size)
        async with self._api.download(url, byte_ranges.range_headers(part.info, self._start)) as response:
            if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise _StorageRefusal(responses.refusal(response.status, response.headers, {}))
            content_type = response.headers.get("content-type", "")
            if self._start and response.status == HTTPStatus.OK and content.is_page_type(content_type):
                # Before anything is written: a login page must not cost the half file.
                raise BadResponse("The storage host sent an HTML page in place of the rest.", status=200)
            try:
                rest = byte_ranges.read_response(part.info, self._start, response.status, response.headers)
            except BadResponse:
                part.forget()
                raise
            await _in_thread(self._remote, partial(part.start, rest.info, rest.start))
            self._meter.total = rest.info.total
            await self._receive(response, rest.start)
        if part.info.total not in {None, part.size}:
            raise ConnectionLost(f"The file broke off after {part.size:,} of {part.info.total:,} bytes.")
        head = await _in_thread(self._remote, partial(part.read_head, content.HEAD_BYTES))
        try:
            content.check_content(self._remote.name, content_type, head)
        except BadResponse:
            part.forget()
            raise

    async def _receive(self, response: ResponseStream, done: int) -> None:
        problem: Exception | None = None
        writer = _WriteBehind(self._part)
        async with anyio.create_task_group() as group:
            try:
                async for chunk in response.chunks():
                    done += len(chunk)
                    await writer.add(chunk, group)
                    await self._meter.report(done)
            except Exception as error:  # noqa: BLE001 - raised below, as itself and not as a group
                problem = error
            finally:
                with anyio.CancelScope(shield=True):
                    await writer.flush()
        if writer.problem is not None:
            raise _failed(self._remote, writer.problem) from writer.problem
        if problem is not None:
            raise problem


def _refuses_range(status: int | None) -> bool:
    return status is not None and (
        (400 <= status < 500 and status not in _TRANSIENT) or status == HTTPStatus.NOT_IMPLEMENTED
    )


class _WriteBehind:
    """
    Writes behind the reader: one batch goes to the disk while the next one gathers.

    A reader that waited for the disk would lose what the network holds when the connection breaks.
    """

    __slots__ = ("_batch", "_gathered", "_idle", "_part", "_since", "problem")

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._batch: list[bytes] = []
        self._gathered = 0
        self._since = _clock.now()
        self._idle = anyio.Event()
        self._idle.set()
        self.problem: OSError | None = None

    async def add(self, chunk: bytes, group: TaskGroup) -> None:
        """
        Take some bytes; they are written in a task of the group.

        Raises:
            OSError: The disk refused earlier ones.
        """
        self._batch.append(chunk)
        self._gathered += len(chunk)
        if self._gathered >= _BATCH_BYTES or _clock.now() - self._since >= _BATCH_SECONDS:
            await self._idle.wait()
            if self.problem is not None:
                raise self.problem
            self._idle = anyio.Event()
            group.start_soon(self._write, self._take_batch())

    async def flush(self) -> None:
        """Write what is left."""
        await self._idle.wait()
        if self._batch and self.problem is None:
            await self._write(self._take_batch())

    def _take_batch(self) -> list[bytes]:
        batch, self._batch, self._gathered, self._since = self._batch, [], 0, _clock.now()
        return batch

    async def _write(self, batch: list[bytes]) -> None:
        try:
            await anyio.to_thread.run_sync(self._part.write, batch)
        except OSError as error:
            self.problem = error
        finally:
            self._idle.set()


async def _in_thread(remote: RemoteFile, work: Callable[[], T]) -> T:
    """Do something with the disk, to its end even if cancelled; what fails becomes an error of ours."""
    try:
        return await anyio.to_thread.run_sync(work)
    except FileExistsError as error:
        raise DownloadError(
            f"{remote.what} was not saved: {error.args[0]} exists.",
            hint="Choose another name, or pass overwrite=True.",
        ) from error
    except BlockingIOError as error:
        raise DownloadError(
            f"{remote.what} was not saved: another download writes the same file.", hint="Wait for that one."
        ) from error
    except OSError as error:
        raise _failed(remote, error) from error


def _failed(remote: RemoteFile, error: Exception) -> DownloadError:
    reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    return DownloadError(f"{remote.what} could not be saved: {clean(reason)}")
