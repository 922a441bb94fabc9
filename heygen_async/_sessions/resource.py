"""
What messages refer to: read, and taken home.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .._api import sessions as session_api
from .._files.download import RemoteFile, download_file
from .._files.names import file_name, suffix_of
from .._resources._context import core_of
from ..models import ResourceInfo

if TYPE_CHECKING:
    from ..models import OnProgress


class Resource(ResourceInfo, frozen=True, kw_only=True, dict=True):
    """
    Something a message refers to: a storyboard picture, a draft, a video.

    Pickles as plain values; a copy from elsewhere has no client and is read again with `session.resource`.
    """

    async def download(
        self,
        target: str | os.PathLike[str],
        *,
        resume: bool = True,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """
        Save the file behind `url`; see `Video.download`.

        Args:
            target: A file's path; or a folder, where the file is named after its type and id. One that ends in
                a slash is a folder, and is made when it is not there.
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
        api = core_of(self, "Read it with session.resource(resource.resource_id).").api
        session_id: str = self.__dict__["_session_id"]

        async def refresh() -> str | None:
            return (await api.call(session_api.resource(session_id, self.resource_id))).data.url

        remote = RemoteFile(
            api=api,
            what=f"resource {self.resource_id}",
            name=file_name(self.resource_type, self.resource_id, suffix_of(self.url, "")),
            url=self.url,
            refresh=refresh,
        )
        return await download_file(
            remote, target, resume=resume, overwrite=overwrite, on_progress=on_progress
        )
