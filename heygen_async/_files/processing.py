"""
What a large file goes through at the service after its bytes have come (contract.md, Uploads).

A service that has no status for assets, or a word for it that nobody knows, counts as done: a create that names the
file is answered `resource_not_ready` then, which is repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from msgspec.structs import replace

from .. import _clock
from .._api import assets as asset_api
from .._redact import clean
from ..errors import APIError, UploadError

if TYPE_CHECKING:
    from .._http.client import ApiClient
    from ..models import Asset, AssetState

PROCESSING_SECONDS: Final = 600.0
_FIRST_POLL: Final = 1.0
_LONGEST_PAUSE: Final = 15.0
_FACTOR: Final = 1.5

_UNFINISHED: Final = frozenset({"pending", "pending_upload", "processing", "queued", "waiting", "not_found"})
_FAILED: Final = frozenset({"failed", "error"})


async def wait_until_usable(api: ApiClient, asset: Asset, timeout: float | None) -> Asset:
    """
    Return the asset once the service has processed it.

    Raises:
        UploadError: It could not be processed, or not in time.
        TransportError: The service could not be asked.
        APIError: The service refused.
    """
    if asset.status in _FAILED:
        raise _failure(asset, None)
    if asset.status not in _UNFINISHED:
        return asset
    with anyio.move_on_after(timeout):
        return await _poll(api, asset)
    raise UploadError(
        f"The service was still processing {asset.name!r} ({asset.id}) after {timeout:g} seconds.",
        hint="Wait on with `assets.statuses`, or upload with a longer `timeout`.",
    )


async def _poll(api: ApiClient, asset: Asset) -> Asset:
    pause = _FIRST_POLL
    while True:
        await _clock.sleep(pause)
        pause = min(pause * _FACTOR, _LONGEST_PAUSE)
        try:
            rows = (await api.call(asset_api.statuses([asset.id]))).data
        except APIError as error:
            if error.status in {403, 404, 405}:
                return asset  # this service has no such statuses
            raise
        state = next((row for row in rows if row.asset_id == asset.id), None)
        if state is not None and state.status in _FAILED:
            raise _failure(asset, state)
        if state is not None and state.status not in _UNFINISHED:
            return replace(asset, status=state.status)


def _failure(asset: Asset, state: AssetState | None) -> UploadError:
    reason = None if state is None or state.error is None else state.error.get("message")
    words = f": {clean(reason)}" if isinstance(reason, str) and reason else "."
    return UploadError(
        f"The service could not process {asset.name!r} ({asset.id}){words}",
        hint="Check that the file opens, and upload it again.",
    )
