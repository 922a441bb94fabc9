"""
Where a batch puts its videos, each under the name of its job: a folder, or one in an object store.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from .._files.names import key_name, suffix_of
from .._files.object_store import StoredObject, is_address
from ..errors import DownloadError
from ..errors._arguments import check_type

if TYPE_CHECKING:
    from .._resources.videos import Video
    from ..models import OnProgress

_SUFFIX = ".mp4"


class OutputFolder:
    """
    A folder; it is made when the batch begins.

    Args:
        target: Its path, or its address in an object store.

    Raises:
        InvalidArgument: Neither a path nor an address that can be used.
        ConfigError: See `StoredObject`.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        check_type(str | os.PathLike, "a path or an address", download_to=target)
        self._folder: Path | str = target if is_address(target) else Path(target)
        self._store = StoredObject("download_to", target) if is_address(target) else None

    def name_of(self, key: str) -> str:
        """Return what must be unique: names that differ in case only are one file on some systems."""
        return key_name(key).casefold()

    async def prepare(self) -> None:
        """
        Make the folder, or find out whether the store can be used.

        Raises:
            DownloadError: It cannot.
        """
        if self._store is not None:
            return await self._store.check_bucket()
        try:
            await anyio.to_thread.run_sync(partial(Path(self._folder).mkdir, parents=True, exist_ok=True))
        except OSError as error:
            raise DownloadError(
                f"The folder {self._folder} cannot be made: {error.strerror}",
                hint="Choose another folder; nothing was created.",
            ) from error

    async def refuse_taken(self, key: str) -> None:
        """
        Say that a job's file is there already, before anything is paid for.

        Raises:
            DownloadError: It is, or that cannot be found out.
        """
        place = self._place(key, _SUFFIX)
        if isinstance(place, str):
            stored = await anyio.to_thread.run_sync(StoredObject, "download_to", place)
            is_taken = await stored.exists()
        else:
            is_taken = await anyio.to_thread.run_sync(os.path.lexists, place)
        if is_taken:
            raise DownloadError(
                f"Nothing was created: {place} exists.", hint="Give the job another key, or move the file."
            )

    async def save(self, video: Video, key: str, *, again: bool, on_progress: OnProgress) -> Path | str:
        """Save a video; `again` when an earlier run may have saved it before. See `Video.download`."""
        place = self._place(key, suffix_of(video.video_url, _SUFFIX))
        if isinstance(place, str):
            return await video.copy_to(place, overwrite=again, on_progress=on_progress)
        return await video.download(place, overwrite=again, on_progress=on_progress)

    def _place(self, key: str, suffix: str) -> Path | str:
        name = f"{key_name(key)}{suffix}"
        return f"{self._folder.rstrip('/')}/{name}" if isinstance(self._folder, str) else self._folder / name
