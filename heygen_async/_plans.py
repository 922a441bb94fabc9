"""
When a session is looked at next: asks the schedules of its watchers.

A caller's schedule is code of his: one that raises ends the watches that brought it, and no other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._agenda import NEVER
from .cadence import schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._agenda import Record
    from ._caller import Caller
    from ._experience import Experience
    from ._watchers import Watcher
    from .cadence import Cadence, Moment

log = logging.getLogger("heygen_async")

_MEANWHILE = 1.0  # seconds to the next look when the schedule that was asked has failed


class Plans:
    """
    Plans the looks of one client.

    Args:
        caller: Has the die.
        cadence: The default schedule.
        experience: What was learnt so far.
        dismiss: Lets go of the watchers of a record that are done.
    """

    __slots__ = ("_cadence", "_caller", "_dismiss", "_experience")

    def __init__(
        self,
        caller: Caller,
        cadence: Callable[[Moment], float],
        experience: Experience,
        dismiss: Callable[[Record], None],
    ) -> None:
        self._caller = caller
        self._cadence = schedule(cadence)
        self._experience = experience
        self._dismiss = dismiss

    def next_look(self, record: Record, now: float, share: int) -> float:
        """Return when to look next; of several watchers' own schedules the keenest counts."""
        moment = self._moment(record, now, share)
        if len(record.watchers) == 1:
            return now + self._asked(record, record.watchers[0].cadence or self._cadence, moment)
        schedules = {watcher.cadence or self._cadence for watcher in record.watchers}
        return now + min(self._asked(record, cadence, moment) for cadence in schedules)

    def first_look(self, record: Record, watcher: Watcher, now: float, share: int) -> float:
        """
        Return when somebody who joins wants the next look: he is not to wait for the one others have asked for.

        NEVER when his schedule has been asked for that one.
        """
        if not watcher.is_primed or record.track.is_stale:
            return now
        mine = watcher.cadence or self._cadence
        if any(
            other is not watcher and (other.cadence or self._cadence) is mine for other in record.watchers
        ):
            return NEVER
        read_at = record.track.read_at or now
        return read_at + self._asked(record, mine, self._moment(record, read_at, share))

    def _moment(self, record: Record, now: float, share: int) -> Moment:
        return self._experience.moment(record, now, share=share, die=self._caller.die.random())

    def _asked(self, record: Record, cadence: Cadence, moment: Moment) -> float:
        try:
            return cadence(moment)
        except Exception as error:
            log.exception("A schedule failed", extra={"event": "look_failed"})
            for watcher in record.watchers:
                if (watcher.cadence or self._cadence) is cadence:
                    watcher.fail(error)
            self._dismiss(record)
            return _MEANWHILE
