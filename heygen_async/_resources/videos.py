"""
Videos: read, list, delete, and download.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .._api import videos as video_api
from .._files.download import Downloadable, RemoteFile
from .._files.names import file_name, suffix_of
from ..models import VideoInfo, VideoState
from ._context import Group, bind, core_of

if TYPE_CHECKING:
    from ..models import OnProgress

_KINDS = {"video_url": ("video", ".mp4"), "subtitle_url": ("captions of video", ".srt")}


class Video(VideoInfo, Downloadable, frozen=True, kw_only=True, dict=True):
    """
    A video of this account.

    Pickles as plain values; a copy from elsewhere has no client and is read again with `heygen.videos.get`.
    """

    async def copy_to(
        self, address: str, *, overwrite: bool = False, on_progress: OnProgress | None = None
    ) -> str:
        """
        Save the video in an object store, in parts as they come: never on this machine, and there only when whole.

        A broken connection is gone on from as in `download`. What fails or is cancelled is removed; a process that is
        killed leaves parts that only a rule of the bucket removes, and the next call begins again. It needs the extra
        `storage`.

        Args:
            address: Such as `s3://bucket/folder/name.mp4`, `gs://…` or `az://container/…`; one that ends in a slash
                is a folder, where the file is named after the title and the id. The credentials are those of the
                environment.
            overwrite: Replace what is there.
            on_progress: Called with a `Transfer`, at most ten times a second; sync or async.

        Returns:
            The address of the file.

        Raises:
            InvalidArgument: No address that can be used.
            ConfigError: The extra is not installed, or the environment does not say which account to use.
            DownloadError: See `download`; or the store refused.
            APIError: See `download`.
            ClientStateError: See `download`.
        """
        return await self._file().store(address, overwrite=overwrite, on_progress=on_progress)

    async def download_captions(
        self,
        target: str | os.PathLike[str],
        *,
        resume: bool = True,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """
        Save the captions (`subtitle_url`); see `download`.

        Args:
            target: See `download`.
            resume: See `download`.
            overwrite: See `download`.
            on_progress: See `download`.

        Returns:
            The path of the file.

        Raises:
            InvalidArgument: See `download`.
            DownloadError: The video has no captions; or see `download`.
            APIError: See `download`.
            ClientStateError: See `download`.
        """
        captions = self._file("subtitle_url")
        return await captions.save(target, resume=resume, overwrite=overwrite, on_progress=on_progress)

    def _file(self, which: Literal["video_url", "subtitle_url"] = "video_url") -> RemoteFile:
        api = core_of(self, "Read it with heygen.videos.get(video.id).").api

        async def refresh() -> str | None:
            return link((await api.call(video_api.video(self.id))).data)

        def link(info: VideoInfo) -> str | None:
            return info.video_url if which == "video_url" else info.subtitle_url

        word, suffix = _KINDS[which]
        return RemoteFile(
            api=api,
            what=f"{word} {self.id}",
            name=file_name(self.title, self.id, suffix_of(link(self), suffix)),
            url=link(self),
            refresh=refresh,
        )


class Videos(Group):
    """The account's videos; `heygen.videos`."""

    async def get(self, video_id: str) -> Video:
        """
        Read one video, with fresh links.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such video.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        return bind(Video, (await self._core.api.call(video_api.video(video_id))).data, self._core)

    async def list(
        self, *, title: str | None = None, folder_id: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[Video]:
        """
        Iterate over all videos of the account, page by page as needed.

        Args:
            title: Only videos with this in their title.
            folder_id: Only videos in this folder.
            page_size: 1 to 100; the service's own (10) when None.

        Raises:
            InvalidArgument: A page size the service refuses.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        async for info in self._core.pages(
            lambda token: video_api.videos(limit=page_size, token=token, title=title, folder_id=folder_id)
        ):
            yield bind(Video, info, self._core)

    async def delete(self, video_id: str) -> None:
        """
        Delete one video.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such video.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        await self._core.api.call(video_api.delete_video(video_id))

    async def statuses(self, video_ids: Iterable[str]) -> dict[str, VideoState]:
        """
        Read the statuses of any number of videos, 100 a request; ids the service does not know are `not_found`.

        Raises:
            InvalidArgument: Something that is not an id.
            TransportError: The service could not be reached.
            APIError: The service refused.
        """
        states = await self._core.read_statuses("video_ids", video_ids, video_api.statuses)
        return {state.video_id: state for state in states if state.video_id is not None}
