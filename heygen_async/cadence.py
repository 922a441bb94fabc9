"""
When to look again: pure functions of what a watcher knows.

A cadence is any callable from a `Moment` to seconds. It reads no clock and draws no lots: time and a die come in
with the moment, so a schedule can be tested, simulated and compared without waiting for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from .errors import InvalidArgument
from .models import SessionStatus

__all__ = ["Cadence", "Moment", "bounded"]

_RESTS_AT = 99  # renders stand there for a while before they end
_SHORTEST = 0.2  # seconds; no schedule may turn a watch into a busy loop
_LONGEST = 3600.0


class Moment(Struct, frozen=True, kw_only=True):
    """
    What is known of a session when the next look is planned.

    Attributes:
        status: Its status.
        elapsed: Seconds in that status, as seen from here.
        progress: 0 to 100, as the service tells it; it may jump, fall back and rest at 99.
        history: Pairs of (seconds in this status, progress), oldest first, at each change of progress.
        polls: Looks in this status so far.
        unchanged: Seconds since anything moved.
        die: A number from 0 up to 1, drawn for this look, to spread sessions that started together.
    """

    status: SessionStatus
    elapsed: float = 0.0
    progress: int = 0
    history: tuple[tuple[float, int], ...] = ()
    polls: int = 0
    unchanged: float = 0.0
    die: float = 0.5


class Cadence:
    """
    A schedule of looks; `HeyGen(cadence=...)` and `watch(cadence=...)` take one, or any callable like it.

    Args:
        interval: From a `Moment` to the seconds until the next look.
        name: Shown in the repr.
    """

    __slots__ = ("_interval", "_name")

    def __init__(self, interval: Callable[[Moment], float], name: str = "Cadence(...)") -> None:
        self._interval = interval
        self._name = name

    def __call__(self, moment: Moment) -> float:
        """Return the seconds until the next look, from 0.2 to 3600."""
        return bounded(self._interval(moment))

    def __repr__(self) -> str:
        return self._name

    @classmethod
    def constant(cls, seconds: float) -> Cadence:
        """
        Look every so many seconds.

        Raises:
            InvalidArgument: Not a positive number.
        """
        _check("seconds", seconds)
        return cls(lambda _: seconds, f"Cadence.constant({seconds:g})")

    @classmethod
    def exponential(
        cls, first: float = 2.0, *, factor: float = 2.0, longest: float = 30.0, jitter: float = 0.25
    ) -> Cadence:
        """
        Wait longer after each look in the same status.

        Args:
            first: Seconds before the second look.
            factor: What each wait is multiplied with.
            longest: Seconds no wait exceeds.
            jitter: The share a wait varies both ways, from 0 up to 1.

        Raises:
            InvalidArgument: Not positive numbers, or a jitter outside 0 to 1.
        """
        for name, value in (("first", first), ("factor", factor), ("longest", longest)):
            _check(name, value)
        if not 0 <= jitter < 1:
            raise InvalidArgument("jitter", "must be from 0 up to 1")

        def interval(moment: Moment) -> float:
            # The exponent is bounded because a float overflows long before a watch ends.
            wait = min(first * factor ** min(moment.polls, 64), longest)
            return wait * (1 + jitter * (2 * moment.die - 1))

        return cls(interval, f"Cadence.exponential({first:g}, factor={factor:g}, longest={longest:g})")

    @classmethod
    def stepped(cls, steps: Sequence[tuple[float, int]], then: float) -> Cadence:
        """
        Follow a ladder of intervals.

        Args:
            steps: Pairs of (seconds, count): so many looks so far apart, in this order.
            then: Seconds between all further looks.

        Raises:
            InvalidArgument: Not positive numbers.
        """
        for seconds, count in steps:
            _check("steps", seconds)
            _check("steps", count)
        _check("then", then)
        plan = tuple(seconds for seconds, count in steps for _ in range(count))
        return cls(
            lambda moment: plan[moment.polls] if moment.polls < len(plan) else then,
            f"Cadence.stepped({list(steps)!r}, then={then:g})",
        )

    @classmethod
    def adaptive(cls) -> Cadence:
        """Quick at first, stretching while nothing moves, quick again near the expected end; the default."""
        return cls(_adaptive, "Cadence.adaptive()")


def bounded(seconds: float) -> float:
    """Return the interval within what a watch can bear; nonsense counts as the longest."""
    return min(max(seconds, _SHORTEST), _LONGEST) if math.isfinite(seconds) else _LONGEST


def _check(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidArgument(name, "must be a positive number")


def _adaptive(moment: Moment) -> float:
    spread = 0.85 + 0.3 * moment.die
    if moment.status.is_paused or moment.status.is_terminal:
        # It moves only when the caller speaks, and a send looks at once.
        return min(15.0 + moment.elapsed / 4, 60.0) * spread
    rest = _rest(moment)
    if rest is None:
        return min(2.0 + moment.elapsed / 10, 10.0) * spread
    return min(max(rest / 2, 4.0), 20.0) * spread


def _rest(moment: Moment) -> float | None:
    """Extrapolate the seconds to 100 from the progress so far; None while it says nothing about the end."""
    if moment.status != SessionStatus.GENERATING or not moment.history or not 0 < moment.progress < _RESTS_AT:
        return None
    since, begun = moment.history[0]
    gained = moment.progress - begun
    if gained <= 0 or moment.elapsed <= since:
        return None
    speed = gained / (moment.elapsed - since)
    return max((100 - moment.progress) / speed - moment.unchanged, 0.0)
