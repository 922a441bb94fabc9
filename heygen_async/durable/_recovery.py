"""
A thread of the batch this process works for: it keeps this process's lock, and recovers what dead processes claimed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import exc

if TYPE_CHECKING:
    from ._engine import Engine
    from ._schema import Claim

log = logging.getLogger("heygen_async")


class Reaper:
    """Checks the claims every few seconds, until it is stopped."""

    def __init__(self, engine: Engine, under_way: Collection[str], *, every: float) -> None:
        self._engine = engine
        self._under_way = under_way
        self._every = every
        self._stop = threading.Event()
        self._suspects = Suspects()
        self._thread = threading.Thread(target=self._run, name="heygen-async reaper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._check()
            except (exc.SQLAlchemyError, OSError) as error:
                log.debug("The database cannot be asked for abandoned work: %s", type(error).__name__)

    def _check(self) -> None:
        self._engine.locks.keep()
        claims = self._engine.claims()
        dead = {executor for executor in {claim.executor for claim in claims} if self._is_dead(executor)}
        own = self._engine.executor
        abandoned = self._suspects.find_abandoned(
            claims, dead=dead, own=own, under_way=frozenset(self._under_way)
        )
        for executor in {claim.executor for claim in abandoned}:
            # Other processes recover, too: one at a time, or what the first has queued is queued again by the second.
            with self._lock(executor) as is_locked:
                if is_locked or executor == own:
                    self._recover([claim for claim in abandoned if claim.executor == executor])

    def _is_dead(self, executor: str) -> bool:
        with self._lock(executor) as is_locked:
            return is_locked

    @contextmanager
    def _lock(self, executor: str) -> Generator[bool]:
        """Take the lock of another executor, which is free if that one is dead."""
        is_locked = executor != self._engine.executor and self._engine.locks.take(executor)
        try:
            yield is_locked
        finally:
            if is_locked:
                self._engine.locks.release(executor)

    def _recover(self, claims: Collection[Claim]) -> None:
        for claim in self._engine.requeue(claims):
            extra = {"workflow_id": claim.workflow_id, "executor": claim.executor}
            log.info("Recovered %s from %s", claim.workflow_id, claim.executor, extra=extra)


class Suspects:
    """
    Tells the dead from the slow: a claim is abandoned when its executor was missing in three checks in a row.

    One check is not enough: an executor whose database was away for a moment takes its lock again a little later, and
    one that has just claimed a workflow has not begun it yet.
    """

    _CHECKS: Final = 3

    def __init__(self) -> None:
        self._seen: dict[Claim, int] = {}

    def find_abandoned(
        self, claims: Iterable[Claim], *, dead: Collection[str], own: str, under_way: Collection[str]
    ) -> list[Claim]:
        """
        Return the claims that no process works on any more.

        Args:
            claims: What is claimed, by whom.
            dead: Executors whose lock is free now.
            own: This executor.
            under_way: The workflows that run in this process.
        """
        self._seen = {
            claim: self._seen.get(claim, 0) + 1
            for claim in claims
            if claim.executor in dead or (claim.executor == own and claim.workflow_id not in under_way)
        }
        return sorted(claim for claim, checks in self._seen.items() if checks >= self._CHECKS)
