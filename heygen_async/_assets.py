"""
Files for the service: upload, read, delete.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from . import _answers, _asset_calls, _clock
from ._media_types import SUFFIXES, media_type
from ._progress import Meter
from ._redact import clean
from ._retry import Again, Tries
from ._sources import Content, opened
from ._wire import Kind, Request
from .errors import APIError, TransportError, UploadError

if TYPE_CHECKING:
    from ._asset_calls import Slot, Uploaded
    from ._caller import Caller
    from ._core import Core
    from ._files import Asset, OnProgress
    from ._sources import Source, Uploadable

log = logging.getLogger("heygen_async")

_NAME_CHARACTERS = 255
# What storage hosts say to an address whose time is over, however they word it.
_EXPIRED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Assets:
    """The account's files; `heygen.assets`."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    async def upload(
        self,
        source: Uploadable,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Asset:
        """
        Upload a file, whatever its size, without holding it in memory.

        Small files go through the service, large ones straight to its storage. A broken upload begins again from
        the first byte; what can be read only once is kept in a temporary file for that.

        Args:
            source: A path, bytes, a file open in binary mode (read from where it stands) or an async iterator of
                bytes.
            filename: What the service calls it; the file's own name when None.
            content_type: What it is, where its bytes do not say; found from the bytes when None.
            on_progress: Called with a `Transfer`, at most ten times a second; sync or async. After a broken
                connection it counts from the beginning again.

        Raises:
            UploadError: The file cannot be read, is empty, too large, or of a type the service does not take; or
                the storage host refused it.
            InvalidArgument: Nothing that can be uploaded.
            TransportError: The service could not be reached.
            APIError: The service refused.
            ClientStateError: The client is closed or belongs to another loop.
        """
        self._core.caller.bind()
        async with opened(source) as ready:
            return await upload(self._core.caller, ready, filename, content_type, on_progress)

    async def get(self, asset_id: str) -> Asset:
        """
        Read what is known of an uploaded file.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such file.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        return (await self._core.caller.call(_asset_calls.read(asset_id))).data

    async def delete(self, asset_id: str) -> None:
        """
        Delete an uploaded file for good.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such file.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        await self._core.caller.call(_asset_calls.delete(asset_id))
        self._core.uploads.forget(asset_id)


async def upload(
    caller: Caller,
    source: Source,
    filename: str | None = None,
    content_type: str | None = None,
    on_progress: OnProgress | None = None,
) -> Asset:
    """
    Upload an open source the way its size asks for.

    Raises:
        UploadError: See `Assets.upload`.
        TransportError: See `Assets.upload`.
        APIError: See `Assets.upload`.
    """
    try:
        kind = media_type(source.head, content_type)
    except UploadError as error:
        raise UploadError(f"{source.label}: {error}", hint=error.hint) from None
    name = (filename or source.name or f"upload{SUFFIXES.get(kind, '')}")[-_NAME_CHARACTERS:]
    meter = Meter(on_progress, source.size)
    form, before, after = _asset_calls.wrapping(name, kind)
    body = Content(source, meter, before, after)
    if body.length <= _asset_calls.MULTIPART_BYTES:
        made = (await caller.call(_asset_calls.upload(body, form))).data
    else:
        made = await _Direct(caller, source, meter).upload(name, kind)
    await meter.finished(source.size)
    return made.named(name)


class _Direct:
    """An upload straight to the service's storage, by an address that is a credential of its own and expires."""

    __slots__ = ("_caller", "_meter", "_source")

    def __init__(self, caller: Caller, source: Source, meter: Meter) -> None:
        self._caller = caller
        self._meter = meter
        self._source = source

    async def upload(self, name: str, kind: str) -> Uploaded:
        """Ask for a place, put the bytes there, say so."""
        policy, source, tries = self._caller.retry, self._source, Tries(self._caller.retry)
        slot: Slot | None = None
        expires = 0.0
        while True:
            if slot is None or _clock.now() >= expires:
                asked = _clock.now()
                slot = (
                    await self._caller.call(_asset_calls.begin(name, kind, source.size, source.sha256))
                ).data
                self._check_room(slot)
                expires = asked + slot.expires_in_seconds
            tries.count += 1
            problem = await self._put(slot)
            if problem is None:
                call = _asset_calls.complete(slot.asset_id, source.sha256)
                return (await self._caller.call(call)).data
            # Only the number of tries counts, not their time: each may take an hour and be worth it.
            step = tries.next_step(Kind.REPEATABLE, problem, elapsed=0.0, policy=policy, die=self._die())
            if isinstance(problem, APIError) and problem.status in _EXPIRED:
                slot, step = None, tries.again(problem, elapsed=0.0, policy=policy, die=self._die())
            if not isinstance(step, Again):
                raise UploadError(f"{source.label} could not be stored: {clean(str(problem))}") from problem
            said = {"event": "transfer_retry", "operation": "upload", "after": step.after}
            log.info("An upload broke off; again in %.1f s", step.after, extra=said)
            self._caller.counters.retries += 1
            await _clock.sleep(step.after)

    def _check_room(self, slot: Slot) -> None:
        if self._source.size > slot.max_bytes:
            raise UploadError(
                f"{self._source.label} has {self._source.size:,} bytes; the service takes {slot.max_bytes:,}.",
                hint="Make the file smaller, or cut it into parts.",
            )

    async def _put(self, slot: Slot) -> APIError | TransportError | None:
        """Send the bytes; the headers are signed, so they go out as they came, and no key with them."""
        body = Content(self._source, self._meter)
        limit = self._caller.timeouts.write
        request = Request("PUT", slot.upload_url, slot.upload_headers, body, limit, "an upload to storage")
        try:
            answer = await self._caller.bind().send(request)
        except TransportError as error:
            return error
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return None
        return _answers.refusal(answer.status, answer.headers, {})

    def _die(self) -> float:
        return self._caller.die.random()
