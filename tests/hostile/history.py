"""
What is true at the service: everything that happened, with its time; a read is a fold of it up to some moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["user", "model"]
US = "us"

PAUSED = ("reviewing", "waiting_for_input")


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as it is stored."""

    at: float
    role: Role
    text: str
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """From this time on the session has this status."""

    at: float
    status: str
    video_id: str | None = None


@dataclass(slots=True)
class Session:
    """
    One session.

    Attributes:
        key: The idempotency key of the create that made it.
        owner: The process that made it; `US` for the client under test.
        prompt: What was sent, to the letter.
        made_at: In true seconds, whatever the service's clock says.
        is_incognito: Whether it was made with `incognito_mode`.
        changes: Past and planned, in order.
        messages: Past and planned, in order.
    """

    id: str
    key: str
    owner: str
    prompt: str
    made_at: float
    mode: str = "generate"
    is_incognito: bool = False
    changes: list[Change] = field(default_factory=list[Change])
    messages: list[Message] = field(default_factory=list[Message])

    def status(self, moment: float) -> str:
        """The status at a moment; the first one before there was any."""
        return self._change(moment).status

    def video_id(self, moment: float) -> str | None:
        """The newest video at a moment."""
        known = [change.video_id for change in self.changes if change.at <= moment and change.video_id]
        return known[-1] if known else None

    def is_paused(self, moment: float) -> bool:
        """Whether the agent waits for the user."""
        return self.status(moment) in PAUSED

    def messages_until(self, moment: float) -> list[Message]:
        """The messages at a moment, oldest first."""
        return [message for message in self.messages if message.at <= moment]

    def last_answer_at(self, moment: float) -> float | None:
        """When the user last wrote something after the prompt."""
        answers = [message.at for message in self.messages_until(moment) if message.role == "user"]
        return answers[-1] if len(answers) > 1 else None

    def forget_plans(self, moment: float) -> None:
        """Drop what was planned: a message has interrupted the agent."""
        self.changes = [change for change in self.changes if change.at <= moment]
        self.messages = self.messages_until(moment)

    def _change(self, moment: float) -> Change:
        past = [change for change in self.changes if change.at <= moment]
        return past[-1] if past else self.changes[0]


@dataclass(frozen=True, slots=True)
class Video:
    """One video, billed when it was ordered."""

    id: str
    session_id: str
    owner: str
    ordered_at: float
    done_at: float
