"""Videos: their paths, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterable

from ..models import VideoInfo, VideoState
from . import responses
from .calls import Call, Kind, id_list, page_size, reading, segment
from .responses import Decoder, Envelope

VIDEO = Decoder(Envelope[VideoInfo])

VIDEOS = Decoder(Envelope[tuple[VideoInfo, ...]])

STATUSES = Decoder(Envelope[tuple[VideoState, ...]])


def video(video_id: str) -> Call[VideoInfo]:
    """Read one video."""
    return reading("video", "/v3/videos/{video_id}", VIDEO, video_id=video_id)


def delete_video(video_id: str) -> Call[object]:
    """Delete one video."""
    route = "/v3/videos/{video_id}"
    path = route.format(video_id=segment("video_id", video_id))
    return Call("delete_video", Kind.REPEATABLE, "DELETE", route, path, responses.ANYTHING)


def videos(
    *,
    limit: int | None = None,
    token: str | None = None,
    folder_id: str | None = None,
    title: str | None = None,
) -> Call[tuple[VideoInfo, ...]]:
    """List the account's videos."""
    query = {"limit": page_size(limit, 100), "token": token, "folder_id": folder_id, "title": title}
    return reading("videos", "/v3/videos", VIDEOS, query=query)


def statuses(video_ids: Iterable[str]) -> Call[tuple[VideoState, ...]]:
    """Read the statuses of up to 100 videos at once."""
    route = "/v3/videos/statuses"
    path = f"{route}?video_ids={id_list('video_ids', video_ids)}"
    return Call("statuses", Kind.READ, "GET", route, path, STATUSES)
