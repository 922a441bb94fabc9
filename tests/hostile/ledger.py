"""
What the service counts: the truth that a client is judged by.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hostile.history import US

if TYPE_CHECKING:
    from hostile.history import Session, Video


@dataclass(frozen=True, slots=True)
class Accepted:
    """One message that the service took; `was_paused`: the agent was truly waiting for it."""

    session_id: str
    text: str
    key: str
    owner: str
    at: float
    was_paused: bool


@dataclass(slots=True)
class Ledger:
    """
    The books of one service.

    Attributes:
        sessions: Those made, by whomever.
        messages: Those accepted, in order.
        videos: Those billed.
        requests: How many came, by method and route.
        refused: Routes and codes of refusals that are the client's fault.
    """

    sessions: dict[str, Session] = field(default_factory=dict["str", "Session"])
    messages: list[Accepted] = field(default_factory=list[Accepted])
    videos: dict[str, Video] = field(default_factory=dict["str", "Video"])
    requests: Counter[str] = field(default_factory=Counter[str])
    refused: list[str] = field(default_factory=list[str])

    def made(self, prompt: str) -> list[str]:
        """Ids of the sessions we paid for with this prompt."""
        return [one.id for one in self.sessions.values() if one.owner == US and one.prompt == prompt]

    def accepted(self, session_id: str, text: str) -> list[Accepted]:
        """Messages of ours with this text in a session."""
        return [
            one
            for one in self.messages
            if one.owner == US and one.session_id == session_id and one.text == text
        ]

    def billed(self, session_id: str) -> list[str]:
        """Videos of a session that we ordered."""
        return [one.id for one in self.videos.values() if one.owner == US and one.session_id == session_id]
