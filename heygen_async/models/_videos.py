"""What the service says of videos."""

from __future__ import annotations

from datetime import datetime

from ._base import Dated, Id, Int, OpenStrEnum, Value, moment


class VideoStatus(OpenStrEnum):
    """Where a video is; an unknown word means "still working"."""

    PENDING = "pending"
    WAITING = "waiting"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    NOT_FOUND = "not_found"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen to the video."""
        return self in {VideoStatus.COMPLETED, VideoStatus.FAILED, VideoStatus.NOT_FOUND}


# ---- videos -------------------------------------------------------------------------------------------------------


class VideoInfo(Dated, frozen=True, kw_only=True):
    """A video as the service tells it; the addresses are presigned and expire."""

    id: Id
    status: VideoStatus
    title: str | None = None
    completed_at: Int | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    gif_url: str | None = None
    captioned_video_url: str | None = None
    subtitle_url: str | None = None
    duration: float | None = None
    folder_id: str | None = None
    output_language: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    video_page_url: str | None = None

    @property
    def completed(self) -> datetime | None:
        """When it was finished."""
        return moment(self.completed_at)

    @property
    def is_downloadable(self) -> bool:
        """Whether it is finished and has an address; the service may give the one before the other."""
        return self.status is VideoStatus.COMPLETED and bool(self.video_url)


class VideoState(Value, frozen=True, kw_only=True, gc=False):
    """One row of `videos.statuses`; an id the service does not know has status `not_found`."""

    status: VideoStatus
    video_id: str | None = None
    batch_id: str | None = None
    item_index: Int | None = None
    error: dict[str, object] | None = None
