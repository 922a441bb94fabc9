"""
Files for the service: upload, read, delete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._api import assets as asset_api
from .._files.upload import PROCESSING_SECONDS, upload
from .._files.upload_source import open_source
from ..errors._arguments import check_positive, check_text, given
from ._context import Group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._files.upload_source import Uploadable
    from ..models import Asset, AssetState, OnProgress


class Assets(Group):
    """The account's files; `heygen.assets`."""

    async def upload(
        self,
        source: Uploadable,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        on_progress: OnProgress | None = None,
        timeout: float | None = PROCESSING_SECONDS,
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
            timeout: Seconds to wait, once the bytes are there, until the service can use the file; None for no
                limit.

        Raises:
            UploadError: The file cannot be read, is empty, too large, or of a type the service does not take; the
                storage host refused it; or the service could not process it, or not within `timeout`.
            InvalidArgument: Nothing that can be uploaded, or no number of seconds.
            TransportError: The service could not be reached.
            APIError: The service refused.
            ClientStateError: The client is closed or belongs to another loop.
        """
        check_text(**given(filename=filename, content_type=content_type))
        check_positive(**given(timeout=timeout))
        self._core.api.bind()
        async with open_source(source, filename) as ready:
            await ready.digest()
            return await upload(self._core.api, ready, filename, content_type, on_progress, timeout=timeout)

    async def get(self, asset_id: str) -> Asset:
        """
        Read what is known of an uploaded file.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such file.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return (await self._core.api.call(asset_api.read(asset_id))).data

    async def statuses(self, asset_ids: Iterable[str]) -> dict[str, AssetState]:
        """
        Read the statuses of any number of files, 100 a request; ids the service does not know are `not_found`.

        Raises:
            InvalidArgument: Something that is not an id.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        states = await self._core.read_statuses("asset_ids", asset_ids, asset_api.statuses)
        return {state.asset_id: state for state in states if state.asset_id is not None}

    async def delete(self, asset_id: str) -> None:
        """
        Delete an uploaded file for good.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such file.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        await self._core.api.call(asset_api.delete(asset_id))
        self._core.uploads.forget(asset_id)
