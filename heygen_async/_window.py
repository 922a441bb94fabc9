"""
How many jobs an account has room for: learnt from what the service takes and refuses.

The cap counts jobs in progress, other processes of the account use it too, and nobody tells it. So a refusal narrows
the window to what is really in progress; then, after the pace the service asked for, one attempt at a time finds out
whether there is room for more. No clock inside: moments come in as seconds.
"""

from __future__ import annotations

_FIRST = 4  # attempts before anything is known
_UNPACED = 5.0  # seconds after a refusal that names no pace
_PROBE = 15.0  # seconds before it is tried again to get beyond what was refused, doubled each time
_LONGEST_PROBE = 60.0
_PACES = 4  # a refusal stops replacements too, for one pace: probing may cost a small part of the time only


class Window:
    """
    The places for jobs in progress.

    Attributes:
        most: More are never taken.
        limit: As many as are believed to fit.
        taken: Jobs in progress, attempts included.
        attempts: Requests on their way that will be jobs in progress if they are not refused.
    """

    __slots__ = ("_is_bounded", "_probe_at", "_refusals", "_resume_at", "attempts", "limit", "most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = min(most, _FIRST)
        self.taken = self.attempts = 0
        self._is_bounded = False
        self._refusals = 0
        self._resume_at = self._probe_at = 0.0

    @property
    def in_progress(self) -> int:
        """Jobs the service has taken."""
        return self.taken - self.attempts

    def opens_at(self) -> float | None:
        """Return when the next attempt may be made; None when something else has to end before."""
        if self.taken >= self.most:
            return None
        if self.taken < self.limit:
            return self._resume_at
        return None if self.attempts else max(self._resume_at, self._probe_at)

    def is_open(self, now: float) -> bool:
        """Whether an attempt may be made."""
        moment = self.opens_at()
        return moment is not None and moment <= now

    def attempt(self) -> None:
        """Note that one is made."""
        self.taken += 1
        self.attempts += 1

    def accepted(self) -> None:
        """Note that one was taken: the job is in progress."""
        self.attempts -= 1
        wider = self.in_progress if self._is_bounded else self.limit + 1
        if wider > self.limit:
            self._refusals = 0
            self.limit = min(self.most, wider)

    def refused(self, now: float, pace: float | None) -> None:
        """Note that one was refused for want of room, with the seconds the service asked to wait."""
        self.withdrawn()
        pause = _UNPACED if pace is None else pace
        self._is_bounded = True
        self.limit = max(1, min(self.limit, self.in_progress))
        self._resume_at = max(self._resume_at, now + pause)
        if self._refusals:
            own = min(_PROBE * 2 ** min(self._refusals - 1, 10), _LONGEST_PROBE)
            self._probe_at = now + max(own, _PACES * pause)
        self._refusals += 1

    def withdrawn(self) -> None:
        """Note that one came to nothing for another reason, which tells nothing about the room."""
        self.attempts -= 1
        self.taken -= 1

    def ended(self) -> None:
        """Note that a job is not in progress any more."""
        self.taken -= 1
