"""
What this client has uploaded, by content: the same file is not sent twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import anyio

if TYPE_CHECKING:
    from ._files import Asset

_KEPT = 1024  # files; a batch of a hundred thousand jobs must not grow with their number


class Uploads:
    """Assets by the checksum of their content; those that upload the same file at the same time wait for one."""

    __slots__ = ("_assets", "_locks")

    def __init__(self) -> None:
        self._assets: OrderedDict[str, Asset] = OrderedDict()
        self._locks: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def once(self, sha256: str, upload: Callable[[], Awaitable[Asset]]) -> Asset:
        """Return the asset with this content; upload it if there is none yet."""
        lock = self._locks.get(sha256)
        if lock is None:
            lock = self._locks[sha256] = anyio.Lock()
        async with lock:
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
