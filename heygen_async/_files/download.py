"""
Downloads: in pieces, through broken connections and expired links, under the final name only when the file is whole.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
from msgspec import Struct

from .. import _clock
from .._api import responses
from .._api.calls import Kind
from .._http.links import EXPIRED
from .._http.retry import Tries
from .._redact import clean
from ..errors import APIError, BadResponse, ConnectionLost, DownloadError, InvalidArgument, TransportError
from ..errors._arguments import check_type
from . import byte_ranges, media_types
from .object_store import StoredObject, is_address, translate_errors
from .part_file import PartFile
from .progress import Meter

if TYPE_CHECKING:
    from .._http.client import ApiClient
    from .._http.transport import ResponseStream
    from ..models import OnProgress

T = TypeVar("T")

log = logging.getLogger("heygen_async")

# These refuse the moment, not the range that was asked for.
_TRANSIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_BATCH_BYTES = 2 * 1024 * 1024  # for one trip to a worker thread
_BATCH_SECONDS = 1.0  # a slow connection must not keep bytes in memory until a batch is full


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """
    A file at a storage host.

    Attributes:
        api: The client that reads it.
        what: What it is, for messages and for the record beside a half file.
        name: What to call it in a folder.
        url: Its link, None when it has to be asked for.
        refresh: Asks for a new link; None when there is none.
    """

    api: ApiClient
    what: str
    name: str
    url: str | None = field(repr=False)
    refresh: Callable[[], Awaitable[str | None]]

    async def save(
        self, target: str | os.PathLike[str], *, resume: bool, overwrite: bool, on_progress: OnProgress | None
    ) -> Path:
        """
        Save it and return its path.

        Raises:
            InvalidArgument: The target is no path.
            DownloadError: It could not be fetched or written, or what came is not the file.
            APIError: The service refused to give a fresh link.
            ClientStateError: The client is closed or belongs to another loop.
        """
        is_folder, meter = check_target(target), Meter(on_progress)
        self.api.bind()

        def open_file() -> PartFile:
            path = Path(target)
            if is_folder:
                path.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                path /= self.name
            if not overwrite and os.path.lexists(path):
                raise FileExistsError(path)
            return PartFile(path, self.what, resume=resume, overwrite=overwrite)

        file = await _save(self, open_file)
        await _FileDownload(self, file, meter, self.url).run()
        return file.target

    async def store(self, address: str, *, overwrite: bool, on_progress: OnProgress | None) -> str:
        """
        Save it in an object store and return its address.

        Raises:
            InvalidArgument: The target is no address.
            ConfigError: See `StoredObject`.
            DownloadError: See `save`.
            APIError: See `save`.
            ClientStateError: See `save`.
        """
        check_type(str, "an address", address=address)
        whole, meter = f"{address}{self.name if address.endswith('/') else ''}", Meter(on_progress)
        self.api.bind()
        opening = partial(StoredObject, "address", whole, of=self.what, overwrite=overwrite)
        stored = await _save(self, opening)
        await _FileDownload(self, stored, meter, self.url).run()
        return whole


class Downloadable:
    """A value with a file behind it."""

    def _file(self) -> RemoteFile:
        raise NotImplementedError

    async def download(
        self,
        target: str | os.PathLike[str],
        *,
        resume: bool = True,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """
        Save the file; the name appears only when it is whole.

        A broken connection or an expired link is gone on from, with a fresh link where needed; so is a half file
        (`NAME.part`) that an earlier run left, unless the file has changed. There is a limit on silence
        (`Timeouts.transfer`) and none on the whole. The API key goes to no storage host.

        Args:
            target: A file's path; or a folder, where a video is named after its title and id, a resource after its
                type and id. One that ends in a slash is a folder, and is made when it is not there.
            resume: Go on with what an earlier run left, and leave what there is if this one fails.
            overwrite: Replace a file that is there.
            on_progress: Called with a `Transfer`, at most ten times a second; sync or async.

        Returns:
            The path of the file.

        Raises:
            InvalidArgument: A target that is no path.
            DownloadError: No link, a refusing or broken storage host, an answer that is not the file, or a file
                that cannot be written.
            APIError: The service refused to give a fresh link.
            ClientStateError: It has no client: it was unpickled, or the client is closed.
        """
        return await self._file().save(target, resume=resume, overwrite=overwrite, on_progress=on_progress)


def check_target(target: str | os.PathLike[str]) -> bool:
    """
    Return whether a target names a folder by its last character.

    Raises:
        InvalidArgument: It is no path, or one that no system can open.
    """
    path = os.fspath(target) if isinstance(target, os.PathLike) else target
    check_type(str, "the path of a file or a folder", target=path)
    if is_address(target):
        raise InvalidArgument("target", "is an address: give it to copy_to(), or to download_to= of a batch")
    with suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(path):
            return path.endswith(("/", os.sep))
    raise InvalidArgument("target", f"must be a path that a file can have, not {path!a}")


class _FileDownload(Struct, eq=False):
    """The attempts of one download."""

    _remote: RemoteFile
    _part: PartFile | StoredObject
    _meter: Meter
    _url: str | None
    _start: int = 0  # where the range of the current attempt begins
    _is_fresh: bool = False  # the link was asked for after a refusal
    _wants_whole: bool = False  # the host refuses ranges

    async def run(self) -> None:
        """Fetch the file and have it appear when it is whole."""
        try:
            await self._fetch()
            await _save(self._remote, self._part.finish)
        finally:
            with anyio.CancelScope(shield=True):
                await _save(self._remote, self._part.close)

    async def _fetch(self) -> None:
        """Repeat until the file is whole; attempts are counted from the last one that brought something new."""
        best, since = self._part.size, _clock.now()
        tries = self._new_tries()
        while True:
            tries.count += 1
            url = await self._link()
            problem: APIError | TransportError | None
            try:
                problem = await self._attempt(url)
            except TransportError as error:
                problem = error
            if problem is None:
                break
            if self._part.size > best:
                tries, best, since = self._new_tries(), self._part.size, _clock.now()
                tries.count, self._is_fresh = 1, False
            wait = self._pause(tries, problem, _clock.now() - since)
            extra = {"event": "transfer_retry", "operation": "download", "after": wait}
            log.info("%s broke off; again in %.1f s", self._remote.what, wait, extra=extra)
            self._remote.api.counters.retries += 1
            await _clock.sleep(wait)
        await self._meter.finish(self._part.size)

    def _new_tries(self) -> Tries:
        return Tries(self._remote.api.retry, self._remote.api.rng.random)

    async def _link(self) -> str:
        if not self._url:
            try:
                self._url = await self._remote.refresh()
            except TransportError as error:
                raise _failed(self._remote, error) from error
        if not self._url:
            raise DownloadError(
                f"{self._remote.what} has no link.",
                hint="Wait until it is finished, then read it again.",
            )
        return self._url

    def _pause(self, tries: Tries, error: APIError | TransportError, elapsed: float) -> float:
        """
        Return the seconds to the next attempt.

        Raises:
            DownloadError: There is none.
        """
        status = error.status if isinstance(error, APIError) else None
        if status in EXPIRED and not (self._is_fresh and self._start):
            self._url, self._is_fresh = None, True
            wait = tries.wait_again(error, elapsed=elapsed)
            # A fresh link works at once, or it was not the link.
            wait = 0.0 if wait is not None and tries.count == 1 else wait
        elif self._start and _refuses_range(status):
            # The half file stays until the whole one begins to arrive.
            self._wants_whole = True
            wait = tries.wait_again(error, elapsed=elapsed)
        else:
            if isinstance(error, BadResponse):
                self._url = None  # some hosts answer an expired link with a page
            wait = tries.wait_after(Kind.READ, error, elapsed=elapsed)
        if wait is None:
            raise _failed(self._remote, error) from error
        return wait

    async def _attempt(self, url: str) -> APIError | None:
        """Fetch what is missing; return what the storage host refused it with, None when the file is whole."""
        part = self._part
        self._start = 0 if self._wants_whole else byte_ranges.next_start(part.info, part.size)
        asked = byte_ranges.range_headers(part.info, self._start)
        async with self._remote.api.download(url, asked) as response:
            if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                return responses.refusal(response.status, response.headers, {})
            content_type = response.headers.get("content-type", "")
            if self._start and response.status == HTTPStatus.OK and media_types.is_page_type(content_type):
                # Before anything is written: a login page must not cost the half file.
                raise BadResponse("The storage host sent an HTML page in place of the rest.", status=200)
            try:
                info, at = byte_ranges.read_answer(part.info, self._start, response.status, response.headers)
            except BadResponse:
                part.forget()
                raise
            await _save(self._remote, partial(part.start, info, at))
            self._meter.total = info.total
            await self._receive(response, at)
        if part.info.total not in {None, part.size}:
            raise ConnectionLost(f"The file broke off after {part.size:,} of {part.info.total:,} bytes.")
        head = await _save(self._remote, part.read_head)
        try:
            media_types.check_content(self._remote.name, content_type, head)
        except BadResponse:
            part.forget()
            raise
        return None

    async def _receive(self, response: ResponseStream, done: int) -> None:
        """Write what arrives, a batch at a time; also what had arrived when it breaks off or is cancelled."""
        batch: list[bytes] = []
        gathered, since = 0, _clock.now()
        try:
            async for chunk in response.chunks():
                batch.append(chunk)
                gathered += len(chunk)
                done += len(chunk)
                if gathered >= _BATCH_BYTES or _clock.now() - since >= _BATCH_SECONDS:
                    full, batch, gathered = batch, [], 0
                    await _save(self._remote, partial(self._part.write, full))
                    since = _clock.now()
                await self._meter.report(done)
        finally:
            with anyio.CancelScope(shield=True):
                await _save(self._remote, partial(self._part.write, batch))


def _refuses_range(status: int | None) -> bool:
    return status is not None and (
        (400 <= status < 500 and status not in _TRANSIENT) or status == HTTPStatus.NOT_IMPLEMENTED
    )


async def _save(remote: RemoteFile, work: Callable[[], T | Awaitable[T]]) -> T:
    """Do something with the disk in a thread, to its end even if cancelled, or with a store; errors become ours."""
    try:
        done = await anyio.to_thread.run_sync(work)
        if not inspect.isawaitable(done):
            return done
        with translate_errors(DownloadError, remote.what):
            return await done
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
