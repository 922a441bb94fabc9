"""
Which failed jobs are made again: those whose session failed early, for no reason that a second try would meet again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .._api import catalog as catalog_api
from .._polling import refs
from ..errors import HeyGenError, InsufficientCredit, SessionFailed

if TYPE_CHECKING:
    from .._resources._context import Core
    from .job import Job, Outcome

PAUSE_SECONDS: Final = 30.0  # before a second try
EMPTY: Final = 0.5  # a create is refused below it (contract.md, Errors)

# What a reason speaks of that would be the same the next time: policy, credit, input.
_LASTING = re.compile(
    r"polic|moderat|violat|prohibit|inappropriate|not allowed|unsafe|nsfw|copyright|sensitive|guideline"
    r"|credit|payment|quota|balance|billing|subscri|plan\b|upgrade|trial"
    r"|invalid|unsupported|not found|missing|too long|too large|corrupt|unreadable|format|does not exist",
    re.IGNORECASE,
)


def may_succeed_again(outcome: Outcome) -> bool:
    """
    Return whether a job may be made again without paying twice.

    Its session must have failed, must never have had a video, and must give no reason of policy, credit or input.
    """
    error = outcome.error
    if not isinstance(error, SessionFailed) or isinstance(error, InsufficientCredit):
        return False
    if error.reason_source == "reviewer" or outcome.session_ref is None:
        return False
    video_id = refs.read(outcome.session_ref)[0].video_id
    has_video = video_id is not None or any(state.video_id for state in outcome.states)
    return not has_video and _LASTING.search(error.reason) is None


def make_again(job: Job) -> Job:
    """Return the job for a session of its own: with another key, and without the session that failed."""
    return replace(job, idempotency_key=None, ref=None, begun_at=None)


@dataclass(slots=True)
class Balance:
    """The account's prepaid balance, compared over a whole run; an account may have none."""

    _core: Core
    _first: float | None = None

    async def begin(self) -> None:
        """Read what there is before anything is paid for."""
        self._first = await self.read()

    async def read(self) -> float | None:
        """Return the balance; None without a wallet, or when it cannot be read."""
        try:
            wallet = (await self._core.api.call(catalog_api.account())).data.wallet
        except HeyGenError:
            return None
        return None if wallet is None else wallet.remaining_balance

    async def fell_by_more_than(self, cost: float) -> bool:
        """Return whether more is gone than was delivered and reserved: failed sessions cost something then."""
        if self._first is None:
            return False
        balance = await self.read()
        return balance is not None and self._first - balance > cost * 1.000_001
