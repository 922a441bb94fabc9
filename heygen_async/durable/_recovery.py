"""
A thread of each batch that is worked for: it keeps this process's lock, and takes over what dead processes held.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from sqlalchemy import exc

if TYPE_CHECKING:
    from ._engine import Engine
    from ._transitions import Store

log = logging.getLogger("heygen_async")


class Reaper:
    """Looks every few seconds, until told to stop."""

    def __init__(self, engine: Engine, store: Store, *, every: float) -> None:
        self._engine = engine
        self._store = store
        self._every = every
        self._stop = threading.Event()
        self._suspects = Suspects()
        self._thread = threading.Thread(
            target=self._run, name=f"heygen-async keeper {store.name}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._look()
            except (exc.SQLAlchemyError, OSError) as error:
                log.debug("The database cannot be asked for work left behind: %s", type(error).__name__)

    def _look(self) -> None:
        self._engine.locks.keep()
        held = self._engine.held((self._store.queue, self._store.reviews))
        others = {executor for _, executor, _ in held} - {self._engine.executor}
        left = self._suspects.left_behind(
            [(work, executor) for work, executor, _ in held],
            dead={executor for executor in others if self._is_dead(executor)},
            own=self._engine.executor,
            active=self._engine.active(),
        )
        queues = {work: queue for work, _, queue in held}
        for work, executor in left:
            if self._engine.hand_back(work, executor, queues[work]):
                said = {"work": work, "executor": executor}
                log.info("Took over %s, which %s left behind", work, executor, extra=said)

    def _is_dead(self, executor: str) -> bool:
        return self._engine.locks.is_free(self._engine.lock_name(self._store.name, executor))


class Suspects:
    """
    Tells the dead from the slow: work is taken from its holder when the holder was missing in three looks in a row.

    One look is not enough: a holder whose database was away for a moment takes its lock again a little later, and one
    that has just claimed a piece of work has not begun it yet.
    """

    _LOOKS: Final = 3

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def left_behind(
        self, held: Iterable[tuple[str, str]], *, dead: Collection[str], own: str, active: Collection[str]
    ) -> list[tuple[str, str]]:
        """
        Return what nobody does any more, as (work, executor).

        Args:
            held: What is claimed, by whom.
            dead: Executors whose lock is free now.
            own: This executor.
            active: What it is really doing.
        """
        self._seen = {
            (work, executor): self._seen.get((work, executor), 0) + 1
            for work, executor in held
            if executor in dead or (executor == own and work not in active)
        }
        return sorted(one for one, looks in self._seen.items() if looks >= self._LOOKS)
