"""
A thread of each batch that is worked for: it keeps this process's lock, and takes over what dead processes held.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from sqlalchemy import exc

from ._decisions import Suspects

if TYPE_CHECKING:
    from ._engine import Engine
    from ._store import Store

log = logging.getLogger("heygen_async")


class Keeper:
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
