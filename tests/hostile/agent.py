"""
What the agent does with a prompt and with messages: storyboard, pause, revise, render.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostile.history import Change, Message, Session, Video

if TYPE_CHECKING:
    from collections.abc import Iterator

APPROVING = ("approve", "go ahead", "looks good", "render it")
CHATTY = 45  # more than a session shows


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How long things take, in seconds.

    Attributes:
        settle: The client's `RetryPolicy.settle_time`: lags are measured in it.
        answer: From a request to its answer.
        write: From a prompt to its storyboard.
        revise: From a message to the new storyboard.
        render: From an approval to the video.
    """

    settle: float = 10.0
    answer: float = 0.2
    write: float = 4.0
    revise: float = 25.0
    render: float = 90.0


class Agent:
    """The agent: it plans what will happen, with the time at which it will."""

    def __init__(self, pace: Pace, *, is_chatty: bool, videos: dict[str, Video]) -> None:
        self._pace = pace
        self._is_chatty = is_chatty
        self._videos = videos
        self._numbers: Iterator[int] = itertools.count(1)

    def begin(self, session: Session, attachments: tuple[str, ...]) -> None:
        """Take a prompt."""
        at = session.made_at
        session.messages.append(Message(at, "user", session.prompt, attachments))
        session.changes.append(Change(at, "thinking"))
        if session.mode == "chat":
            self._pause(session, at + self._pace.write, "Here is the storyboard. Shall I render it?")
        else:
            self._render(session, at + self._pace.write, session.owner)

    def take(self, session: Session, message: Message, *, is_approval: bool, owner: str) -> None:
        """Take a message, whatever the agent is at: a second approval is a second video."""
        session.forget_plans(message.at)
        session.messages.append(message)
        if is_approval:
            self._render(session, message.at, owner)
        else:
            session.changes.append(Change(message.at, "thinking"))
            self._pause(session, message.at + self._pace.revise, "Here is the new storyboard.")

    def _pause(self, session: Session, at: float, words: str) -> None:
        count = CHATTY if self._is_chatty else 1
        texts = [f"Scene {number}." for number in range(1, count)] + [words]
        session.messages += [Message(at, "model", text) for text in texts]
        session.changes.append(Change(at, "reviewing"))

    def _render(self, session: Session, at: float, owner: str) -> None:
        done_at = at + self._pace.render
        video = Video(f"vid{next(self._numbers):04d}", session.id, owner, at, done_at)
        self._videos[video.id] = video
        session.changes += [Change(at, "generating", video.id), Change(done_at, "completed", video.id)]
        session.messages.append(Message(done_at, "model", "Your video is ready."))


def approves(message: str, body: dict[str, object]) -> bool:
    """Approval is plain language (contract.md, Session status), or the old flag where it is taken."""
    return body.get("auto_proceed") is True or any(words in message.lower() for words in APPROVING)
