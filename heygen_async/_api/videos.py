"""Videos: their paths, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InvalidArgument
from ..models import VideoInfo, VideoState
from . import responses
from .calls import Call, Kind, page_size, reading, segment
from .responses import Decoder, Envelope

VIDEO = Decoder(Envelope[VideoInfo])

VIDEOS = Decoder(Envelope[tuple[VideoInfo, ...]])

STATUSES = Decoder(Envelope[tuple[VideoState, ...]])

STATUS_IDS = 100


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
    ids = [] if isinstance(video_ids, str) else list(video_ids)
    joined = "%2C".join([segment("video_ids", video_id) for video_id in ids])
    if not 1 <= len(ids) <= STATUS_IDS or any("," in video_id for video_id in ids):
        raise InvalidArgument("video_ids", f"must be 1 to {STATUS_IDS} ids, without commas")
    route = "/v3/videos/statuses"  # the query is written by hand: quoting it as a whole takes longer than the answer
    return Call("statuses", Kind.READ, "GET", route, f"{route}?video_ids={joined}", STATUSES)
