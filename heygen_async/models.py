"""
The service's words as values: frozen structs that tolerate fields they do not know.

Wire integers keep their wire names (`created_at`, Unix seconds); the aware datetime
is a property beside them. Sets the service extends are open enums: an unknown word survives as itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from ._files import Asset, AssetBase64, AssetId, AssetUrl, File, Linked, OnProgress, Transfer
from ._listings import (
    AutoReload,
    AvatarGroup,
    AvatarLook,
    BrandKit,
    CreditPool,
    Style,
    Subscription,
    SubscriptionCredits,
    TrainingError,
    UsageBased,
    User,
    Voice,
    Wallet,
)
from ._values import OpenStrEnum, moment

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "Approve",
    "Asset",
    "AssetBase64",
    "AssetId",
    "AssetUrl",
    "AutoReload",
    "AvatarGroup",
    "AvatarLook",
    "BrandKit",
    "CreditPool",
    "File",
    "Message",
    "Mode",
    "OnProgress",
    "Orientation",
    "Reply",
    "ResourceInfo",
    "SentMessage",
    "SessionData",
    "SessionState",
    "SessionStatus",
    "SessionSummary",
    "Statistics",
    "Stop",
    "Style",
    "Subscription",
    "SubscriptionCredits",
    "TrainingError",
    "Transfer",
    "UsageBased",
    "User",
    "VideoInfo",
    "VideoState",
    "VideoStatus",
    "Voice",
    "Wallet",
]


class SessionStatus(OpenStrEnum):
    """Where a session is; an unknown word means "still working" (contract.md, Session status)."""

    THINKING = "thinking"
    WAITING_FOR_INPUT = "waiting_for_input"
    REVIEWING = "reviewing"
    GENERATING = "generating"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_paused(self) -> bool:
        """Whether the agent waits for the caller."""
        return self in {SessionStatus.WAITING_FOR_INPUT, SessionStatus.REVIEWING}

    @property
    def is_terminal(self) -> bool:
        """Whether the current run has ended; a chat session may still be revised after `completed`."""
        return self in {SessionStatus.COMPLETED, SessionStatus.FAILED}


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


# ---- sessions -----------------------------------------------------------------------------------------------------


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """
    One message of the conversation.

    Attributes:
        role: `user` or `model`; an open word.
        type: `text`, `resource` or `error`; an open word.
        resource_ids: What `session.resource()` resolves; often None.
    """

    role: str
    content: str
    type: str = "text"
    created_at: int | None = None
    resource_ids: tuple[str, ...] | None = None

    @property
    def created(self) -> datetime | None:
        """When it was written."""
        return moment(self.created_at)


class SessionData(Struct, frozen=True, kw_only=True, gc=False):
    """A session as one read of the service tells it; `messages` newest first, at most 40."""

    session_id: str
    status: SessionStatus
    created_at: int
    progress: int = 0
    title: str | None = None
    video_id: str | None = None
    messages: tuple[Message, ...] = ()

    @property
    def created(self) -> datetime | None:
        """When the session was created."""
        return moment(self.created_at)


class SessionState(SessionData, frozen=True, kw_only=True, gc=False):
    """
    A session as this client knows it.

    Attributes:
        previous: The status before this one, None when this is the first that was seen.
        elapsed: Seconds between the last two transitions: how long `previous` lasted, as seen from here.
        new_messages: Messages the watcher has not delivered before, oldest first.
        messages_gap: Whether messages went by unseen (the service shows only the newest 40).
        failure_reason: Why it failed, never empty when it did; None otherwise.
        failure_source: Where the reason is from: `video`, `error_message`, `model_message` (not authoritative),
            `sdk`; None when it did not fail.
    """

    previous: SessionStatus | None = None
    elapsed: float = 0.0
    new_messages: tuple[Message, ...] = ()
    messages_gap: bool = False
    failure_reason: str | None = None
    failure_source: str | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the agent waits for the caller."""
        return self.status.is_paused

    @property
    def is_terminal(self) -> bool:
        """Whether the current run has ended."""
        return self.status.is_terminal


class SessionSummary(Struct, frozen=True, kw_only=True):
    """One line of the session list; it carries no status."""

    session_id: str
    created_at: int
    title: str | None = None

    @property
    def created(self) -> datetime | None:
        """When the session was created."""
        return moment(self.created_at)


class SentMessage(Struct, frozen=True, kw_only=True):
    """
    The service took a message.

    Attributes:
        run_id: The run it started; None when the answer was lost and the message was found in the session.
    """

    session_id: str
    run_id: str | None = None
    title: str | None = None


class ResourceInfo(Linked, frozen=True, kw_only=True):
    """Something a message refers to: a storyboard picture, a draft, a video; addresses expire."""

    resource_id: str
    resource_type: str
    source_type: str | None = None
    url: str | None = None
    thumbnail_url: str | None = None
    preview_url: str | None = None
    created_at: int | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        return moment(self.created_at)


# ---- what a reviewer answers --------------------------------------------------------------------------------------


class Reply(Struct, frozen=True, kw_only=True):
    """Answer the agent with a message, with the options of `session.send`."""

    message: str
    avatar_id: str | None = None
    voice_id: str | None = None
    brand_kit_id: str | None = None


class Approve(Struct, frozen=True, kw_only=True):
    """Approve the storyboard, in these words or in the SDK's."""

    message: str | None = None


class Stop(Struct, frozen=True, kw_only=True):
    """End the run at its next checkpoint."""


# ---- videos -------------------------------------------------------------------------------------------------------


class VideoInfo(Linked, frozen=True, kw_only=True):
    """A video as the service tells it; the addresses are presigned and expire."""

    id: str
    status: VideoStatus
    title: str | None = None
    created_at: int | None = None
    completed_at: int | None = None
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
    def created(self) -> datetime | None:
        """When it was started."""
        return moment(self.created_at)

    @property
    def completed(self) -> datetime | None:
        """When it was finished."""
        return moment(self.completed_at)

    @property
    def is_downloadable(self) -> bool:
        """Whether it is finished and has an address; the service may give the one before the other."""
        return self.status is VideoStatus.COMPLETED and bool(self.video_url)


class VideoState(Struct, frozen=True, kw_only=True, gc=False):
    """One row of `videos.statuses`; an id the service does not know has status `not_found`."""

    status: VideoStatus
    video_id: str | None = None
    batch_id: str | None = None
    item_index: int | None = None
    error: dict[str, object] | None = None


# ---- this client --------------------------------------------------------------------------------------------------


class Statistics(Struct, frozen=True, kw_only=True):
    """
    What a client has done so far; a snapshot that does not change any more.

    Attributes:
        requests: Exchanges with the API, retries and polls included.
        retries: Exchanges that repeated an earlier one.
        polls: Reads of one session or video made for watchers.
        bulk_polls: Reads of many videos at once made for watchers.
        rate_limited: Answers with 429.
        bytes_received: Bytes of answers, uncompressed.
        watchers: Watchers alive now.
        watched: Sessions they watch.
        due: Sessions whose look is due and in line.
        in_flight: Looks under way.
        lateness_p50: Seconds between due and sent of the newest 1,000 looks, the median.
        lateness_p99: The same, of the slowest of a hundred.
    """

    requests: int = 0
    retries: int = 0
    polls: int = 0
    bulk_polls: int = 0
    rate_limited: int = 0
    bytes_received: int = 0
    watchers: int = 0
    watched: int = 0
    due: int = 0
    in_flight: int = 0
    lateness_p50: float = 0.0
    lateness_p99: float = 0.0


Mode = Literal["generate", "chat"]
Orientation = Literal["landscape", "portrait"]
