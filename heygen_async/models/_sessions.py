"""
Sessions: what the service says of them, what a client knows of them, and what a reviewer answers.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from ._base import Dated, Id, Int, OpenStrEnum, Value


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


# ---- sessions -----------------------------------------------------------------------------------------------------


class Message(Dated, frozen=True, kw_only=True, gc=False):
    """
    One message of the conversation.

    Attributes:
        role: `user` or `model`; an open word.
        type: `text`, `resource` or `error`; an open word.
        resource_ids: What `session.resource()` resolves; often None.
    """

    role: str = ""
    content: str = ""
    type: str = "text"
    resource_ids: tuple[str, ...] | None = None


class SessionData(Dated, frozen=True, kw_only=True, gc=False):
    """
    A session as one read of the service shows it; `messages` newest first, at most 40.

    Attributes:
        created_at: Unix seconds; 0 when the service gave none.
    """

    session_id: Id
    status: SessionStatus
    created_at: Int = 0
    progress: Int = 0
    title: str | None = None
    video_id: Id | None = None
    messages: tuple[Message, ...] = ()


class SessionState(SessionData, frozen=True, kw_only=True, gc=False):
    """
    A session as this client knows it.

    Attributes:
        previous: The status before this one, None when this is the first that was seen.
        elapsed: Seconds between the last two transitions: how long `previous` lasted, as seen from here.
        new_messages: Messages the watcher has not delivered before, oldest first.
        messages_gap: Whether messages went by unseen (the service shows only the newest 40).
        failure_reason: Why it failed, never empty when it did; None otherwise.
        failure_source: Where the reason is from: `video`, `error_message`, `sdk` (the service gave none); None when it
            did not fail.
        is_stale: Whether it is the state from before your last message, which the service shows still; what you
            answered once needs no second answer.
    """

    previous: SessionStatus | None = None
    elapsed: float = 0.0
    new_messages: tuple[Message, ...] = ()
    messages_gap: bool = False
    failure_reason: str | None = None
    failure_source: str | None = None
    is_stale: bool = False

    @property
    def is_paused(self) -> bool:
        """Whether the agent waits for the caller."""
        return self.status.is_paused

    @property
    def is_terminal(self) -> bool:
        """Whether the current run has ended."""
        return self.status.is_terminal


class SessionSummary(Dated, frozen=True, kw_only=True):
    """One line of the session list; it carries no status."""

    session_id: Id
    created_at: Int  # pyright: ignore[reportGeneralTypeIssues] - here it is required
    title: str | None = None


class SentMessage(Value, frozen=True, kw_only=True):
    """
    The service took a message.

    Attributes:
        run_id: The run it started; None when the answer was lost and the message was found in the session.
    """

    session_id: str
    run_id: str | None = None
    title: str | None = None


class ResourceInfo(Dated, frozen=True, kw_only=True):
    """Something a message refers to: a storyboard picture, a draft, a video; addresses expire."""

    resource_id: str
    resource_type: str
    source_type: str | None = None
    url: str | None = None
    thumbnail_url: str | None = None
    preview_url: str | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])


# ---- what a reviewer answers --------------------------------------------------------------------------------------


class Reply(Value, frozen=True, kw_only=True):
    """Answer the agent with a message, with the options of `session.send`."""

    message: str
    avatar_id: str | None = None
    voice_id: str | None = None
    brand_kit_id: str | None = None


class Approve(Value, frozen=True, kw_only=True):
    """Approve the storyboard, in these words or in the SDK's."""

    message: str | None = None


class Stop(Value, frozen=True, kw_only=True):
    """End the run at its next checkpoint."""


Mode = Literal["generate", "chat"]
Orientation = Literal["landscape", "portrait"]
