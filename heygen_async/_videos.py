"""
Videos: read, list, delete, and take home.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio
from msgspec import structs

from . import _wire
from ._redact import clean
from .errors import ClientStateError, DownloadError, TransportError
from .models import VideoInfo, VideoState

if TYPE_CHECKING:
    from ._caller import Download
    from ._core import Core

_EXPIRED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_NAME_BYTES = 200


class Video(VideoInfo, frozen=True, kw_only=True, dict=True):
    """
    A video of this account.

    Pickles as plain values; a copy from elsewhere has no client and is read again with `heygen.videos.get`.
    """

    @classmethod
    def bound(cls, core: Core, info: VideoInfo) -> Self:
        """
        Strictly private.

        Args:
            core: The client's parts.
            info: The values.
        """
        video = cls(**structs.asdict(info))
        # Not a field: it is no part of the value, of its repr, its comparison or its pickle.
        structs.force_setattr(video, "_core", core)
        return video

    async def download(self, target: str | os.PathLike[str]) -> Path:
        """
        Save the video; the name appears only when the file is whole.

        A link that has expired is asked for again, once. The API key goes to no storage host.

        Args:
            target: A file's path; or a folder, where the file is named after the title and the id.

        Returns:
            The path of the file.

        Raises:
            DownloadError: No link, a refusing or broken storage host, or a file that cannot be written.
            ClientStateError: The video has no client: it was unpickled, or the client is closed.
        """
        core: Core | None = self.__dict__.get("_core")
        if core is None:
            raise ClientStateError(
                "This video has no client.", hint="Read it with heygen.videos.get(video.id)."
            )
        path = Path(target)
        path = path / _file_name(self) if await anyio.Path(path).is_dir() else path
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            await _save(core, self, part)
            await anyio.Path(part).rename(path)
        except (OSError, TransportError) as error:
            raise DownloadError(f"Video {self.id} could not be saved: {clean(str(error))}") from error
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.Path(part).unlink(missing_ok=True)
        return path


class Videos:
    """The account's videos; `heygen.videos`."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get(self, video_id: str) -> Video:
        """
        Read one video, with fresh links.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such video.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        return Video.bound(self._core, (await self._core.caller.call(_wire.video(video_id))).data)

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
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        async for info in self._core.pages(
            lambda token: _wire.videos(limit=page_size, token=token, title=title, folder_id=folder_id)
        ):
            yield Video.bound(self._core, info)

    async def delete(self, video_id: str) -> None:
        """
        Delete one video.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The account has no such video.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        await self._core.caller.call(_wire.delete_video(video_id))

    async def statuses(self, video_ids: Iterable[str]) -> dict[str, VideoState]:
        """
        Read the statuses of any number of videos, 100 a request; ids the service does not know are `not_found`.

        Raises:
            InvalidArgument: Something that is not an id.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        ids = list(dict.fromkeys(video_ids))
        calls = [
            _wire.statuses(ids[at : at + _wire.STATUS_IDS]) for at in range(0, len(ids), _wire.STATUS_IDS)
        ]
        states: dict[str, VideoState] = {}
        for call in calls:
            for state in (await self._core.caller.call(call)).data:
                if state.video_id is not None:
                    states[state.video_id] = state
        return states


async def _save(core: Core, video: VideoInfo, part: Path) -> None:
    for is_last in (False, True):
        if video.video_url is None:
            video = (await core.caller.call(_wire.video(video.id))).data
        if video.video_url is None:
            raise DownloadError(f"Video {video.id} is {video.status} and has no link yet.")
        async with core.caller.download(video.video_url) as answer:
            if answer.status == HTTPStatus.OK:
                await _write(answer, part)
                return
            if answer.status not in _EXPIRED or is_last:
                raise DownloadError(f"The storage host refused video {video.id} with status {answer.status}.")
        video = structs.replace(video, video_url=None)


async def _write(answer: Download, part: Path) -> None:
    done = 0
    async with await anyio.open_file(part, "wb") as file:
        async for chunk in answer.chunks():
            await file.write(chunk)
            done += len(chunk)
        await file.flush()
        await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
    expected = answer.headers.get("content-length")
    if expected is not None and expected != str(done) and "content-encoding" not in answer.headers:
        raise DownloadError(f"The file broke off after {done} of {expected} bytes.")


def _file_name(video: VideoInfo) -> str:
    """Name a file after title and id: no separators, no control characters, at most 200 bytes."""
    title = re.sub(r"[^\w\- ]", "", video.title or "").strip()
    end = f" {re.sub(r'[^0-9A-Za-z_-]', '_', video.id)}.mp4".lstrip() if not title else f" {video.id}.mp4"
    end = re.sub(r"[^\w\-. ]", "_", end)
    kept = title.encode()[: _NAME_BYTES - len(end.encode())].decode(errors="ignore")
    return f"{kept}{end}"
