"""
Why a session failed, and what the agent said last: the best that its messages and its video tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models import Message, SessionState, VideoInfo

NO_REASON = (
    "No reason given; it happens intermittently, more with prompts over 2,500 characters; "
    "the same prompt often works again."
)


def failure(video: VideoInfo | None, messages: Sequence[Message]) -> tuple[str, str]:
    """
    Say why a session failed, as (reason, source), from what the service did tell.

    Both of the video's fields are often null (contract.md, 2). The agent's last words are no reason: they may be its
    friendly first line (contract.md, 8). `messages` oldest first.
    """
    for told in () if video is None else (video.failure_message, video.failure_code):
        if told and told.strip():
            return told, "video"
    for message in reversed(messages):
        if message.type == "error" and message.content.strip():
            return message.content, "error_message"
    return NO_REASON, "sdk"


def last_words(state: SessionState | None) -> str | None:
    """Return the agent's newest words, at a pause what it asks; None when it said nothing."""
    for message in () if state is None else state.messages:
        if message.role == "model" and message.content.strip():
            return message.content
    return None
