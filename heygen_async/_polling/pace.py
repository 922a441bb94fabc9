"""
How many polls may be under way, and when the next may start.

No clock: moments come in as loop seconds.
"""

from __future__ import annotations


class PollPace:
    """
    The pace of one client's polls.

    Args:
        most: Polls under way at once.
        rate: Polls a second, spread evenly; None for no limit.

    Attributes:
        allowed: Polls that may be under way now: one after a refusal for the rate, one more with every answer.
        next_start: When the next may start, as far as the rate goes.
    """

    __slots__ = ("_most", "_spacing", "allowed", "next_start")

    def __init__(self, most: int, rate: float | None) -> None:
        self._most = most
        self._spacing = 0.0 if rate is None else 1.0 / rate
        self.reset()

    def reset(self) -> None:
        """Forget what was learnt, in a new loop."""
        self.allowed: int = self._most
        self.next_start: float = 0.0

    def start(self, now: float) -> None:
        """Record that a poll starts."""
        if self._spacing:
            self.next_start = max(self.next_start, now) + self._spacing

    def narrow(self) -> None:
        """Record a refusal for the rate: a slow restart follows the pause it asks for."""
        self.allowed = 1

    def widen(self) -> bool:
        """Record an answer; True when one more poll may be under way."""
        if self.allowed >= self._most:
            return False
        self.allowed += 1
        return True
