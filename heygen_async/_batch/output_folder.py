"""
The folder a batch puts its videos in, each under the name of its job.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from .._files.names import key_name, suffix_of
from ..errors import DownloadError

if TYPE_CHECKING:
    from .._resources.videos import Video
    from ..models import OnProgress

_SUFFIX = ".mp4"


class OutputFolder:
    """A folder; it is made when the batch begins."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def name_of(self, key: str) -> str:
        """Return what must be unique: names that differ in case only are one file on some systems."""
        return key_name(key).casefold()

    async def prepare(self) -> None:
        """
        Make the folder.

        Raises:
            DownloadError: It cannot be made.
        """
        try:
            await anyio.to_thread.run_sync(partial(self._folder.mkdir, parents=True, exist_ok=True))
        except OSError as error:
            raise DownloadError(
                f"The folder {self._folder} cannot be made: {error.strerror}",
                hint="Choose another folder; nothing was created.",
            ) from error

    async def refuse_taken(self, key: str) -> None:
        """
        Say that a job's file is there already, before anything is paid for.

        Raises:
            DownloadError: It is.
        """
        path = self._path(key, _SUFFIX)
        if await anyio.to_thread.run_sync(os.path.lexists, path):
            raise DownloadError(
                f"Nothing was created: {path} exists.", hint="Give the job another key, or move the file."
            )

    async def save(self, video: Video, key: str, *, again: bool, on_progress: OnProgress) -> Path:
        """Save a video; `again` when an earlier run may have saved it before. See `Video.download`."""
        path = self._path(key, suffix_of(video.video_url, _SUFFIX))
        return await video.download(path, overwrite=again, on_progress=on_progress)

    def _path(self, key: str, suffix: str) -> Path:
        return self._folder / f"{key_name(key)}{suffix}"
