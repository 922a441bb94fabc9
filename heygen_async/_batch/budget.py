"""
What a batch may spend: reserved before anything is paid for, settled when the length of a video is known.

Pure: no clock, no I/O. A budget holds as far as videos keep to the length their job names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ..errors import ClientStateError, InvalidArgument
from .job import Job, check_amount

_ROUNDING: Final = 1e-9  # of the budget: sums of fractions are not exact


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
        check_amount("per_second", self.per_second)
        if not isinstance(self.currency, str) or not self.currency.strip():
            raise InvalidArgument("currency", "must be a non-empty string")


class Budget:
    """
    The money of one batch.

    Args:
        max_spend: Never more than this is spent and reserved together.
        rate: What a second of video costs.

    Attributes:
        spent: What the videos so far cost, and what unfinished sessions that were left may cost.

    Raises:
        InvalidArgument: `max_spend` is not a positive number, or one of the two is missing.
    """

    def __init__(self, max_spend: float, rate: Rate) -> None:
        check_amount("max_spend", max_spend)
        if not isinstance(rate, Rate):
            raise InvalidArgument("rate", "must be a Rate: max_spend needs the price of a second of video")
        self.rate: Rate = rate
        self.spent: float = 0.0
        self._most = max_spend * (1 + _ROUNDING)
        self._reservations: dict[str, float] = {}

    @property
    def reserved(self) -> float:
        """What the jobs under way may still cost."""
        return math.fsum(self._reservations.values())

    def cost(self, job: Job) -> float:
        """
        Return what a video of a job may cost.

        Raises:
            InvalidArgument: The job does not say how long its video will be.
        """
        seconds = job.max_seconds if job.max_seconds is not None else job.expected_seconds
        if seconds is None:
            raise InvalidArgument("max_seconds", "or expected_seconds is needed: the batch has a budget")
        return seconds * self.rate.per_second

    def fits(self, cost: float) -> bool:
        """Return whether so much can be reserved now."""
        return self.spent + self.reserved + cost <= self._most

    def may_fit(self, cost: float) -> bool:
        """Return whether so much could be reserved once all reservations had come to nothing."""
        return self.spent + cost <= self._most

    def reserve(self, key: str, cost: float) -> None:
        """Reserve more for a job."""
        self._reservations[key] = self._reservations.get(key, 0.0) + cost

    def reserve_revision(self, key: str, job: Job) -> None:
        """
        Reserve another video for a job, whose agent may make one of an answer.

        Raises:
            ClientStateError: There is no money left for it; nothing was sent.
        """
        cost = self.cost(job)
        if not self.fits(cost):
            raise ClientStateError(
                f"A revision of job {key!r} may cost {cost:g} {self.rate.currency}, which is not left.",
                hint="The session waits: answer it yourself, or run its ref again with a larger max_spend.",
            )
        self.reserve(key, cost)

    def settle(self, key: str, cost: float | None) -> None:
        """Count what a job has cost in place of what was reserved; None when that is not known."""
        reserved = self._reservations.pop(key, 0.0)
        self.spent += reserved if cost is None else cost


def make_budget(max_spend: float | None, rate: Rate | None) -> Budget | None:
    """
    Return the budget of a batch; None without one.

    Raises:
        InvalidArgument: One of the two is missing or not what it should be.
    """
    if max_spend is None and rate is None:
        return None
    if max_spend is None:
        raise InvalidArgument("max_spend", "is needed: a rate alone limits nothing")
    if rate is None:
        raise InvalidArgument("rate", "is needed: max_spend counts by the price of a second of video")
    return Budget(max_spend, rate)
