"""
Files for the service: upload, read, delete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._api import assets as asset_api
from .._files.upload import upload
from .._files.upload_source import open_source

if TYPE_CHECKING:
    from .._files.upload_source import Uploadable
    from ..models import Asset, OnProgress
    from ._context import Core


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
        self._core.api.bind()
        async with open_source(source) as ready:
            return await upload(self._core.api, ready, filename, content_type, on_progress)

    async def get(self, asset_id: str) -> Asset:
        """
        Read what is known of an uploaded file.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such file.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        return (await self._core.api.call(asset_api.read(asset_id))).data

    async def delete(self, asset_id: str) -> None:
        """
        Delete an uploaded file for good.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such file.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        await self._core.api.call(asset_api.delete(asset_id))
        self._core.uploads.forget(asset_id)
