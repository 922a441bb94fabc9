"""
Uploads, each by the way its size asks for, to the moment when the service can use the file; one content is sent once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio
from msgspec.structs import replace

from .. import _clock
from .._api import assets as asset_api
from .._api import responses
from .._api.calls import Kind
from .._http.links import EXPIRED
from .._http.retry import Tries
from .._http.transport import Request
from .._redact import clean
from ..errors import APIError, TransportError, UploadError
from .media_types import SUFFIXES
from .progress import Meter
from .upload_source import Content

if TYPE_CHECKING:
    from .._api.assets import Uploaded, UploadSlot
    from .._http.client import ApiClient
    from ..models import Asset, OnProgress
    from .upload_source import Source

log = logging.getLogger("heygen_async")

_KEPT = 1024  # files; a batch of a hundred thousand jobs must not grow with their number
_NAME_CHARACTERS = 255

# What a large file goes through at the service after its bytes have come (contract.md, Uploads). A service that has no
# status for assets, or a word for it that nobody knows, counts as done: a create that names the file is answered
# `resource_not_ready` then, which is repeated.
PROCESSING_SECONDS: Final = 600.0
_FIRST_POLL: Final = 1.0
_LONGEST_PAUSE: Final = 15.0
_FACTOR: Final = 1.5

_UNFINISHED: Final = frozenset({"pending", "pending_upload", "processing", "queued", "waiting", "not_found"})
_FAILED: Final = frozenset({"failed", "error"})


class Uploads:
    """Assets by the checksum of their content; those that upload the same file at the same time wait for one."""

    def __init__(self) -> None:
        self._assets: OrderedDict[str, Asset] = OrderedDict()
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def once(self, sha256: str, upload: Callable[[], Awaitable[Asset]]) -> Asset:
        """Return the asset with this content; upload it if there is none yet."""
        async with self._locks.setdefault(sha256, anyio.Lock()):
            asset = self._assets.get(sha256)
            if asset is None:
                asset = self._assets[sha256] = await upload()
                while len(self._assets) > _KEPT:
                    self._assets.popitem(last=False)
            self._assets.move_to_end(sha256)
            return asset

    def forget(self, asset_id: str) -> None:
        """Upload the content of a deleted asset again when it is next wanted."""
        for sha256 in [sha256 for sha256, asset in self._assets.items() if asset.id == asset_id]:
            del self._assets[sha256]


async def upload(
    api: ApiClient,
    source: Source,
    filename: str | None = None,
    content_type: str | None = None,
    on_progress: OnProgress | None = None,
    *,
    timeout: float | None = PROCESSING_SECONDS,
) -> Asset:
    """
    Upload an open source the way its size asks for, and wait until the service can use it.

    Raises:
        UploadError: See `Assets.upload`.
        TransportError: See `Assets.upload`.
        APIError: See `Assets.upload`.
    """
    kind = source.media_type(content_type)
    name = (filename or source.name or f"upload{SUFFIXES.get(kind, '')}")[-_NAME_CHARACTERS:]
    meter = Meter(on_progress, source.size)
    form, before, after = asset_api.wrapping(name, kind)
    body = Content(source, meter, before, after)
    if body.length <= asset_api.MULTIPART_BYTES:
        made = (await api.call(asset_api.upload(body, form))).data
    else:
        made = await _upload_direct(api, source, meter, name, kind)
    await meter.finish(source.size)
    return await wait_until_usable(api, made.to_asset(name), timeout)


async def _upload_direct(api: ApiClient, source: Source, meter: Meter, name: str, kind: str) -> Uploaded:
    """Upload straight to the service's storage, by an address that is a credential of its own and expires."""
    tries = Tries(api.retry, api.rng.random)
    slot: UploadSlot | None = None
    expires = 0.0
    while True:
        if slot is None or _clock.now() >= expires:
            asked = _clock.now()
            slot = (await api.call(asset_api.begin(name, kind, source.size, source.sha256))).data
            if source.size > slot.max_bytes:
                raise UploadError(
                    f"{source.label} has {source.size:,} bytes; the service takes {slot.max_bytes:,}.",
                    hint="Make the file smaller, or cut it into parts.",
                )
            expires = asked + slot.expires_in_seconds
        tries.count += 1
        try:
            await _put(api, slot, Content(source, meter))
            break
        except (APIError, TransportError) as error:
            problem = error
        # Only the number of tries counts, not their time: each may take an hour and be worth it.
        if isinstance(problem, APIError) and problem.status in EXPIRED:
            slot, wait = None, tries.wait_again(problem, elapsed=0.0)
        else:
            wait = tries.wait_after(Kind.REPEATABLE, problem, elapsed=0.0)
        if wait is None:
            raise UploadError(f"{source.label} could not be stored: {clean(str(problem))}") from problem
        extra = {"event": "transfer_retry", "operation": "upload", "after": wait}
        log.info("An upload broke off; again in %.1f s", wait, extra=extra)
        api.counters.retries += 1
        await _clock.sleep(wait)
    return (await api.call(asset_api.complete(slot.asset_id, source.sha256))).data


async def _put(api: ApiClient, slot: UploadSlot, body: Content) -> None:
    """Send the bytes; the headers are signed, so they go out as they came, and no key with them."""
    limit = api.timeouts.write
    request = Request("PUT", slot.upload_url, slot.upload_headers, body, limit, "an upload to storage")
    answer = await api.hooks.send(api.bind(), request)
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise responses.refusal(answer.status, answer.headers, {})


async def wait_until_usable(api: ApiClient, asset: Asset, timeout: float | None) -> Asset:
    """
    Return the asset once the service has processed it.

    Raises:
        UploadError: It could not be processed, or not in time.
        TransportError: The service could not be asked.
        APIError: The service refused.
    """
    problem: dict[str, object] | None = None
    pause = _FIRST_POLL
    with anyio.move_on_after(timeout):
        while asset.status in _UNFINISHED:
            await _clock.sleep(pause)
            pause = min(pause * _FACTOR, _LONGEST_PAUSE)
            try:
                rows = (await api.call(asset_api.statuses([asset.id]))).data
            except APIError as error:
                if error.status in {403, 404, 405}:
                    return asset  # this service has no such statuses
                raise
            for row in rows:
                if row.asset_id == asset.id:
                    asset, problem = replace(asset, status=row.status), row.error
        if asset.status in _FAILED:
            reason = (problem or {}).get("message")
            words = f": {clean(reason)}" if isinstance(reason, str) and reason else "."
            raise UploadError(
                f"The service could not process {asset.name!r} ({asset.id}){words}",
                hint="Check that the file opens, and upload it again.",
            )
        return asset
    raise UploadError(
        f"The service was still processing {asset.name!r} ({asset.id}) after {timeout:g} seconds.",
        hint="Wait on with `assets.statuses`, or upload with a longer `timeout`.",
    )
