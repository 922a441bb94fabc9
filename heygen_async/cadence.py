"""
When to poll again: pure functions of what a watcher knows.

A cadence is any callable from a `PollContext` to seconds. It reads no clock and no randomness: time and jitter come in
with the context, so a schedule can be tested, simulated and compared without waiting for it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from .errors import InvalidArgument, _arguments
from .models import SessionStatus

__all__ = ["Cadence", "Durations", "Expected", "PollContext", "bounded"]

# Of the adaptive schedule. The first two say what matters, the others what is known of the service; results move
# little with any of them (benchmarks/README.md).
_POLL_WORTH = 0.2  # seconds of knowing late that are worth one request: about 40 for a video of ten minutes
_THINKING_WORTH = 2.0  # times as much while it thinks: fewer people wait for the end of that
_EARLY = 4.0  # what fails, fails early: no wait is longer than this and twice the time it has lasted
_RAREST = 60.0  # as the service's own guide, for whatever went unexpectedly
_OFTENEST = 1.0
_RESTS_AT = 99  # renders stand there for a while before they end
_REST_SHARE = 0.03  # of the time until then; how long it takes is unknown, hence the shape of 1
_PROGRESS_SHAPE = 3.0  # half of the extrapolations are within 30 % of the truth
_REMEMBERED = 64  # durations of each status, so that a client that lives for months follows the service
_ENOUGH = 16  # the first ones to end are the short ones: fewer would mislead
_SHARPEST = 5.0  # of shapes: what took equally long so far will not always
_SAFETY_POLL = 30.0  # seconds for each announced end in a row: what relies on webhooks polls so rarely
_RAREST_SAFETY_POLL = 120.0  # so late at most is what a webhook does not tell
_LONGEST_PHASE = 86_400.0  # seconds; what lasted longer was not watched, or hung

_SHORTEST = 0.2  # seconds; no schedule may turn a watch into a busy loop
_LONGEST = 3600.0


class Expected(Struct, frozen=True):
    """
    How long something is likely to last: a log-logistic distribution, which two numbers describe.

    Attributes:
        seconds: Half of them last longer.
        shape: How alike they are: 1 tells nothing, half of them lie within a factor of 3 ** (1 / shape) of `seconds`.
        seen: The number of durations it was learnt from; 0 for a guess.
    """

    seconds: float
    shape: float
    seen: int = 0

    def odds(self, elapsed: float) -> float:
        """
        Return the chance per second that it ends now.

        Args:
            elapsed: Seconds it has lasted, more than 0.
        """
        past = math.pow(elapsed / self.seconds, self.shape)
        return self.shape / elapsed * (past / (1 + past))


# From the documented ranges: half a minute to 5 minutes, and 3 to 30.
_THINKING = (_THINKING_WORTH, Expected(100.0, 2.0))
_WORK = (1.0, Expected(500.0, 2.0))


class Durations:
    """
    How long each status lasted in the sessions one client has seen: the last 64 of each.

    Only whole durations count: those whose beginning was seen as well as their end.
    """

    def __init__(self) -> None:
        self._seconds: dict[SessionStatus, deque[float]] = {}
        self._expected: dict[SessionStatus, Expected] = {}

    def add(self, status: SessionStatus, seconds: float) -> None:
        """
        Note that a session was in a status from its beginning to its end.

        Args:
            status: The status; one that ends by the caller's doing does not count.
            seconds: How long it lasted, as seen from here.
        """
        if status not in _TELLING or not 0 < seconds <= _LONGEST_PHASE:
            return
        seen = self._seconds.setdefault(status, deque(maxlen=_REMEMBERED))
        seen.append(seconds)
        if len(seen) >= _ENOUGH:
            # By the quartiles, which a few that hang cannot move.
            low, middle, high = (max(sorted(seen)[len(seen) * k // 4], 1.0) for k in (1, 2, 3))
            shape = math.log(9) / math.log(high / low) if high > low else _SHARPEST
            self._expected[status] = Expected(middle, min(max(shape, 1.0), _SHARPEST), len(seen))

    def expected(self, status: SessionStatus) -> Expected | None:
        """
        Return how long a status is likely to last; None before enough were seen.

        Args:
            status: The status.
        """
        return self._expected.get(status)


_TELLING = frozenset({SessionStatus.THINKING, SessionStatus.GENERATING})
_STILL = frozenset(status for status in SessionStatus if status.is_paused or status.is_terminal)


class PollContext(Struct, frozen=True, kw_only=True):
    """
    What is known of a session when the next poll is planned.

    Attributes:
        status: Its status.
        elapsed: Seconds in that status, as seen from here.
        progress: 0 to 100, as the service shows it; it may jump, fall back and rest at 99.
        history: Pairs of (seconds in this status, progress), oldest first, at each change of progress.
        polls: Polls in this status so far.
        unchanged: Seconds since anything moved.
        jitter: A random number from 0 up to 1, drawn for this poll, to spread sessions that started together.
        expected: How long this status lasts, from what the client has seen (`Durations`); None before it has.
        shared_by: The number of sessions the poll's one request is for.
        webhook_streak: How many ends of this status in a row verified webhooks lately announced to this client.
        since_webhook: Seconds since a verified webhook about this session that no poll has confirmed; None for none.
    """

    status: SessionStatus
    elapsed: float = 0.0
    progress: int = 0
    history: tuple[tuple[float, int], ...] = ()
    polls: int = 0
    unchanged: float = 0.0
    jitter: float = 0.5
    expected: Expected | None = None
    shared_by: int = 1
    webhook_streak: int = 0
    since_webhook: float | None = None


class Cadence:
    """
    A schedule of polls; `HeyGen(cadence=...)` and `watch(cadence=...)` take one, or any callable like it.

    Args:
        interval: From a `PollContext` to the seconds until the next poll.
        name: Shown in the repr.
    """

    __slots__ = ("_name", "interval")

    def __init__(self, interval: Callable[[PollContext], float], name: str = "Cadence(...)") -> None:
        _arguments.check_callable(interval=interval)
        _arguments.check_text(name=name)
        self.interval: Callable[[PollContext], float] = interval
        self._name = name

    def __call__(self, context: PollContext) -> float:
        """Return the seconds until the next poll, from 0.2 to 3600."""
        return bounded(self.interval(context))

    def __repr__(self) -> str:
        return self._name

    @classmethod
    def constant(cls, seconds: float) -> Cadence:
        """
        Poll every so many seconds.

        Raises:
            InvalidArgument: Not a positive number.
        """
        _arguments.check_positive(seconds=seconds)
        return cls(lambda _: seconds, f"Cadence.constant({seconds:g})")

    @classmethod
    def exponential(
        cls, first: float = 2.0, *, factor: float = 2.0, longest: float = 30.0, jitter: float = 0.25
    ) -> Cadence:
        """
        Wait longer after each poll in the same status.

        Args:
            first: Seconds before the second poll.
            factor: What each wait is multiplied with.
            longest: Seconds no wait exceeds.
            jitter: The share a wait varies both ways, from 0 up to 1.

        Raises:
            InvalidArgument: Not positive numbers, or a jitter outside 0 to 1.
        """
        _arguments.check_positive(first=first, factor=factor, longest=longest)
        _arguments.check_number(0, 1, jitter=jitter)

        def interval(context: PollContext) -> float:
            try:
                wait = min(first * float(factor) ** context.polls, longest)
            except OverflowError:  # long before a watch ends
                wait = longest
            return wait * (1 + jitter * (2 * context.jitter - 1))

        return cls(interval, f"Cadence.exponential({first:g}, factor={factor:g}, longest={longest:g})")

    @classmethod
    def stepped(cls, steps: Sequence[tuple[float, int]], then: float) -> Cadence:
        """
        Follow a ladder of intervals.

        Args:
            steps: Pairs of (seconds, count): so many polls so far apart, in this order.
            then: Seconds between all further polls.

        Raises:
            InvalidArgument: Not positive numbers.
        """
        try:
            pairs = [(seconds, count) for seconds, count in _arguments.list_of("steps", steps)]
        except (TypeError, ValueError):
            raise InvalidArgument("steps", "must be pairs of seconds and a count") from None
        for seconds, count in pairs:
            _arguments.check_positive(steps=seconds)
            _arguments.check_count(steps=count)
        _arguments.check_positive(then=then)
        plan = tuple(seconds for seconds, count in pairs for _ in range(count))
        return cls(
            lambda context: plan[context.polls] if context.polls < len(plan) else then,
            f"Cadence.stepped({pairs!r}, then={then:g})",
        )

    @classmethod
    def adaptive(cls, *, worth: float = _POLL_WORTH) -> Cadence:
        """
        Poll when it is likely to have ended; the default.

        Quick at first, stretching while nothing moves, quick again near the expected end, which is extrapolated from
        the progress and from how long the client has seen sessions take; rare while a session waits for its caller,
        and where webhooks have shown that they tell the end.

        Args:
            worth: Seconds of knowing late that are worth one request: more for fewer requests. Four times as much
                makes waits twice as long.

        Raises:
            InvalidArgument: Not a positive number.
        """
        _arguments.check_positive(worth=worth)
        return cls(lambda context: _adaptive(context, worth), f"Cadence.adaptive(worth={worth:g})")


def bounded(seconds: float) -> float:
    """
    Return the interval within what a watch can bear; what is not finite counts as the longest.

    Raises:
        InvalidArgument: It is no number.
    """
    if not isinstance(seconds, int | float):
        raise InvalidArgument("seconds", "must be a number")
    return min(max(seconds, _SHORTEST), _LONGEST) if math.isfinite(seconds) else _LONGEST


# ---- the adaptive schedule ----------------------------------------------------------------------------------------


def _adaptive(context: PollContext, worth: float) -> float:
    if context.status in _STILL:
        # It moves only when the caller speaks, and a send polls at once.
        wait = min(15.0 + context.elapsed / 4, _RAREST)
    else:
        wait = max(min(_balance(context, worth), _EARLY + 2 * context.elapsed, _RAREST), _OFTENEST)
    # The first polls of sessions that began together are strewn widely; later ones need only not fall into step.
    wait *= 0.5 + context.jitter if context.polls == 0 else 0.85 + 0.3 * context.jitter
    if context.since_webhook is not None:
        # The service announced what it does not show yet.
        return min(wait, max(context.since_webhook, _OFTENEST))
    # The oftener webhooks have shown that they work, the longer they are relied on.
    relied_on = min(context.webhook_streak * _SAFETY_POLL, _RAREST_SAFETY_POLL)
    return max(wait, relied_on * (0.7 + 0.3 * context.jitter))


def _balance(context: PollContext, worth: float) -> float:
    """Find the interval after which one poll costs as much as the seconds it saves."""
    weight, usual = _THINKING if context.status is SessionStatus.THINKING else _WORK
    price = worth * weight / max(context.shared_by, 1)
    since, guess = context.elapsed, context.expected or usual
    rest = _rest(context, guess)
    if rest is not None:
        since, guess = max(context.elapsed - context.history[-1][0], 0.0), rest
    # Polls too far apart by s seconds miss s / 2 of them with the hazard h that it ends in each: s * s * h / 2 = price.
    # While it can hardly end yet the hazard still rises, so it is taken from half way to the first poll.
    seconds, shape = guess.seconds, guess.shape
    first = seconds * (price * (shape + 1) / seconds) ** (1 / (shape + 1))
    return math.sqrt(2 * price / guess.odds(since + first / 2))


def _rest(context: PollContext, guess: Expected) -> Expected | None:
    """Say how long it lasts from the last change of progress on; None while progress says nothing."""
    history, progress = context.history, context.progress
    if context.status is not SessionStatus.GENERATING or not history or progress <= 0:
        return None
    (since, begun), (until, _) = history[0], history[-1]
    if progress >= _RESTS_AT:
        return Expected(1.0 + until * _REST_SHARE, 1.0)
    gained = progress - begun
    if gained <= 0 or until <= since:
        return None
    left = (100 - progress) * (until - since) / gained
    # Half of those that lasted so long last so much longer.
    usual = (2 * until**guess.shape + guess.seconds**guess.shape) ** (1 / guess.shape) - until
    trust = progress / 100  # an extrapolation is worth what it is based on
    return Expected(min(max(left, _OFTENEST), _LONGEST) ** trust * usual ** (1 - trust), _PROGRESS_SHAPE)
