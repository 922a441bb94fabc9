"""
What a batch may spend: reserved before anything is paid for, settled when the length of a video is known.

Pure: no clock, no I/O. A budget holds as far as videos keep to the length their job names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .._http.retry import may_be_done
from ..errors import ClientStateError, InvalidArgument, SessionFailed
from ..errors._arguments import check_positive, check_text, check_type, given

if TYPE_CHECKING:
    from ..models import VideoInfo
    from .job import Job

ROUNDING: Final = 1e-9  # of the budget: sums of fractions are not exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """
    What a second of finished video costs. This package knows no prices; see the service's own page.

    Args:
        per_second: The price of one second.
        currency: What `per_second` and `max_spend` are in; that of the account's wallet, if it is to be compared.

    Raises:
        InvalidArgument: The price is not a positive number, or the currency is empty.
    """

    per_second: float
    currency: str = "usd"

    def __post_init__(self) -> None:
        check_positive(per_second=self.per_second)
        check_text(currency=self.currency)


def most_cost(job: Job, rate: Rate | None) -> float:
    """
    Return what a video of a job may cost; nothing without a rate.

    Raises:
        InvalidArgument: The job does not say how long its video will be.
    """
    if rate is None:
        return 0.0
    seconds = job.max_seconds if job.max_seconds is not None else job.expected_seconds
    if seconds is None:
        raise InvalidArgument("max_seconds", "or expected_seconds is needed: the batch has a budget")
    return seconds * rate.per_second


def paid_seconds(*, video: VideoInfo | None, error: Exception | None, session_id: str | None) -> float | None:
    """Return how long the video is that a job has paid for; None when that is not known."""
    if video is not None:
        return video.duration
    if isinstance(error, SessionFailed):
        return 0.0  # a failed job is not charged
    if session_id is None and error is not None and not may_be_done(error):
        return 0.0
    return None


def check_budget(max_spend: float | None, rate: Rate | None) -> None:
    """
    Check the limit of a batch, and the price it is counted by: both are given or none is.

    Raises:
        InvalidArgument: `max_spend` is not a positive number, or one of the two is missing.
    """
    check_positive(**given(max_spend=max_spend))
    check_type(Rate | None, "a Rate: the price of a second of video", rate=rate)
    if (max_spend is None) != (rate is None):
        raise InvalidArgument("rate" if rate is None else "max_spend", "is needed: a budget is made of both")


class Budget:
    """
    The money of one batch; one without a limit costs nothing.

    Args:
        max_spend: Never more than this is spent and reserved together; None for no limit.
        rate: What a second of video costs; None without a limit.

    Attributes:
        spent: What the videos so far cost, and what unfinished sessions that were left may cost.

    Raises:
        InvalidArgument: See `check_budget`.
    """

    def __init__(self, max_spend: float | None, rate: Rate | None) -> None:
        check_budget(max_spend, rate)
        self.rate: Rate | None = rate
        self.spent: float = 0.0
        self._most = math.inf if max_spend is None else max_spend * (1 + ROUNDING)
        self._reservations: dict[str, float] = {}

    @property
    def reserved(self) -> float:
        """What the jobs under way may still cost."""
        return math.fsum(self._reservations.values())

    def may_fit(self, cost: float) -> bool:
        """Return whether so much could be reserved once all reservations had come to nothing."""
        return self.spent + cost <= self._most

    def reserve(self, key: str, cost: float, *, anyway: bool = False) -> bool:
        """Reserve more for a job; False when so much is not left, then nothing is reserved, unless `anyway`."""
        is_left = anyway or self.spent + self.reserved + cost <= self._most
        if is_left:
            self._reservations[key] = self._reservations.get(key, 0.0) + cost
        return is_left

    def reserve_revision(self, key: str, job: Job) -> None:
        """
        Reserve another video for a job, whose agent may make one of an answer.

        Raises:
            ClientStateError: There is no money left for it; nothing was sent.
        """
        cost = most_cost(job, self.rate)
        if not self.reserve(key, cost):
            raise no_revision(key, cost, self.rate)

    def settle(self, key: str, seconds: float | None) -> None:
        """Count the video a job has paid for in place of what was reserved; None when its length is not known."""
        reserved = self._reservations.pop(key, 0.0)
        price = 0.0 if self.rate is None else self.rate.per_second
        self.spent += reserved if seconds is None else seconds * price


def no_money(cost: float, rate: Rate | None) -> ClientStateError:
    """Return the error of a job for which there is no money."""
    return ClientStateError(
        f"Not started: it may cost {cost:g} {'' if rate is None else rate.currency}, which is not left of max_spend.",
        hint="Run the job again with a larger max_spend.",
    )


def no_revision(key: str, cost: float, rate: Rate | None) -> ClientStateError:
    """Return the error of an answer for which there is no money."""
    return ClientStateError(
        f"A revision of job {key!r} may cost {cost:g} {'' if rate is None else rate.currency}, which is not left.",
        hint="The session waits: answer it yourself, or run its ref again with a larger max_spend.",
    )
