"""Videos: their paths, and how their answers are read."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..models import VideoInfo, VideoState
from .calls import Call, bulk_call, change_call, list_call, read_call
from .responses import ANYTHING, Decoder, Envelope

VIDEO = Decoder(Envelope[VideoInfo])

VIDEOS = Decoder(Envelope[tuple[VideoInfo, ...]])

STATUSES = Decoder(Envelope[tuple[VideoState, ...]])

videos = partial(list_call, "videos", "/v3/videos", VIDEOS)


def video(video_id: str) -> Call[VideoInfo]:
    """Read one video."""
    return read_call("video", "/v3/videos/{video_id}", VIDEO, video_id=video_id)


def delete_video(video_id: str) -> Call[object]:
    """Delete one video."""
    return change_call("delete_video", "DELETE", "/v3/videos/{video_id}", ANYTHING, video_id=video_id)


def statuses(video_ids: Iterable[str]) -> Call[tuple[VideoState, ...]]:
    """Read the statuses of up to 100 videos at once."""
    return bulk_call("statuses", "/v3/videos/statuses", STATUSES, "video_ids", video_ids)
