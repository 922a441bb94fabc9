"""
Taking a file home: in pieces, through broken connections and expired links, under its name only when it is whole.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from .. import _clock
from .._api import responses
from .._api.calls import Kind
from .._http.retry import Again, Tries
from .._redact import clean
from ..errors import APIError, BadResponse, ConnectionLost, DownloadError, TransportError
from . import byte_ranges
from .part_file import PartFile
from .progress import Meter

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from .._http.client import ApiClient
    from .._http.transport import Download
    from ..models import OnProgress

T = TypeVar("T")

log = logging.getLogger("heygen_async")

# What storage hosts say to a link that is over; a fresh one tells whether it was that.
_EXPIRED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_BATCH_BYTES = 2 * 1024 * 1024  # for one trip to a worker thread
_BATCH_SECONDS = 1.0  # what a slow line brings must not wait in memory for a batch to fill


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    A file at a storage host.

    Attributes:
        what: What it is, for messages and for the record beside a half file.
        name: What to call it in a folder.
        url: Its link, None when it has to be asked for.
        fresh: Asks for a new link; None when there is none.
    """

    what: str
    name: str
    url: str | None = field(repr=False)
    fresh: Callable[[], Awaitable[str | None]]


async def save(
    api: ApiClient,
    wanted: Wanted,
    target: str | os.PathLike[str],
    *,
    resume: bool,
    overwrite: bool,
    on_progress: OnProgress | None,
) -> Path:
    """
    Save a file and return its path.

    Raises:
        DownloadError: It could not be fetched or written.
        APIError: The service refused to give a fresh link.
        ClientStateError: The client is closed or belongs to another loop.
    """
    api.bind()
    path = await _in_thread(wanted, partial(_place, Path(target), wanted.name, overwrite=overwrite))
    part = await _in_thread(wanted, partial(PartFile, path, wanted.what, resume=resume))
    try:
        await _Fetch(api, wanted, part, on_progress).run()
        await _in_thread(wanted, partial(part.finish, overwrite=overwrite))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(part.close, keep=resume))
    return path


def _place(target: Path, name: str, *, overwrite: bool) -> Path:
    path = target / name if target.is_dir() else target
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(path)
    return path


class _Refused(Exception):
    """The storage host said no; not an `APIError`, which is a word of the service."""

    def __init__(self, error: APIError) -> None:
        super().__init__(str(error))
        self.error = error


class _Fetch:
    """The attempts of one download."""

    __slots__ = ("_api", "_meter", "_part", "_url", "_wanted")

    def __init__(
        self, api: ApiClient, wanted: Wanted, part: PartFile, on_progress: OnProgress | None
    ) -> None:
        self._api = api
        self._wanted = wanted
        self._part = part
        self._meter = Meter(on_progress, part.info.total)
        self._url = wanted.url

    async def run(self) -> None:
        """Go on until the file is whole; tries are counted from the last one that brought something new."""
        policy, best, since = self._api.retry, self._part.size, _clock.now()
        tries = Tries(policy)
        while True:
            tries.count += 1
            try:
                await self._attempt(await self._link())
                break
            except (_Refused, TransportError) as error:
                if self._part.size > best:
                    tries, best, since = Tries(policy), self._part.size, _clock.now()
                    tries.count = 1
                wait = self._pause(tries, error, _clock.now() - since)
            said = {"event": "transfer_retry", "operation": "download", "after": wait}
            log.info("%s broke off; again in %.1f s", self._wanted.what, wait, extra=said)
            self._api.counters.retries += 1
            await _clock.sleep(wait)
        await self._meter.finish(self._part.size)

    async def _link(self) -> str:
        if self._url is None:
            try:
                self._url = await self._wanted.fresh()
            except TransportError as error:
                raise _failed(self._wanted, error) from error
        if self._url is None:
            raise DownloadError(
                f"{self._wanted.what} has no link.", hint="Wait until it is finished, then read it again."
            )
        return self._url

    def _pause(self, tries: Tries, problem: _Refused | TransportError, elapsed: float) -> float:
        """
        Return the seconds to the next attempt.

        Raises:
            DownloadError: There is none.
        """
        policy, jitter = self._api.retry, self._api.rng.random()
        error = problem.error if isinstance(problem, _Refused) else problem
        if isinstance(error, APIError) and error.status in _EXPIRED:
            self._url = None
            step = tries.again(error, elapsed=elapsed, policy=policy, jitter=jitter)
            # A fresh link works at once, or it was not the link.
            step = Again(0.0) if isinstance(step, Again) and tries.count == 1 else step
        elif isinstance(error, APIError) and error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._part.forget()
            step = tries.again(error, elapsed=elapsed, policy=policy, jitter=jitter)
        else:
            step = tries.next_step(Kind.READ, error, elapsed=elapsed, policy=policy, jitter=jitter)
        if not isinstance(step, Again):
            raise _failed(self._wanted, error) from error
        return step.after

    async def _attempt(self, url: str) -> None:
        part = self._part
        start = byte_ranges.next_start(part.info, part.size)
        async with self._api.download(url, byte_ranges.range_headers(part.info, start)) as answer:
            if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
                raise _Refused(responses.refusal(answer.status, answer.headers, {}))
            try:
                rest = byte_ranges.read_answer(part.info, start, answer.status, answer.headers)
            except BadResponse:
                part.forget()
                raise
            await _in_thread(self._wanted, partial(part.start, rest.info, rest.start))
            self._meter.total = rest.info.total
            await self._pour(answer, rest.start)
        if part.info.total not in {None, part.size}:
            raise ConnectionLost(f"The file broke off after {part.size:,} of {part.info.total:,} bytes.")

    async def _pour(self, answer: Download, done: int) -> None:
        problem: Exception | None = None
        behind = _Behind(self._part)
        async with anyio.create_task_group() as group:
            try:
                async for chunk in answer.chunks():
                    done += len(chunk)
                    await behind.add(chunk, group)
                    await self._meter.report(done)
            except Exception as error:  # noqa: BLE001 - raised below, as itself and not as a group
                problem = error
            finally:
                with anyio.CancelScope(shield=True):
                    await behind.flush()
        if behind.problem is not None:
            raise _failed(self._wanted, behind.problem) from behind.problem
        if problem is not None:
            raise problem


class _Behind:
    """
    Writes behind the reader: one batch on its way to the disk while the next one gathers.

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
            group.start_soon(self._write, self._taken())

    async def flush(self) -> None:
        """Write what is left."""
        await self._idle.wait()
        if self._batch and self.problem is None:
            await self._write(self._taken())

    def _taken(self) -> list[bytes]:
        batch, self._batch, self._gathered, self._since = self._batch, [], 0, _clock.now()
        return batch

    async def _write(self, batch: list[bytes]) -> None:
        try:
            await anyio.to_thread.run_sync(self._part.write, batch)
        except OSError as error:
            self.problem = error
        finally:
            self._idle.set()


async def _in_thread(wanted: Wanted, work: Callable[[], T]) -> T:
    """Do something with the disk, to its end even if cancelled, and say what failed in our words."""
    try:
        return await anyio.to_thread.run_sync(work)
    except FileExistsError as error:
        raise DownloadError(
            f"{wanted.what} was not saved: {error.args[0]} exists.",
            hint="Choose another name, or pass overwrite=True.",
        ) from error
    except BlockingIOError as error:
        raise DownloadError(
            f"{wanted.what} was not saved: another download writes the same file.", hint="Wait for that one."
        ) from error
    except OSError as error:
        raise _failed(wanted, error) from error


def _failed(wanted: Wanted, error: Exception) -> DownloadError:
    said = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
    return DownloadError(f"{wanted.what} could not be saved: {clean(said)}")
