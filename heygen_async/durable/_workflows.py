"""
The three pieces of work of a job, as the engine runs them.

What each does in which order is frozen under its name: the engine replays what was written down, and a release with
another order would not find its way. Another order is another name, `….v2`, beside these.

A job's pieces follow each other by its turns: a render, then for each pause a review (which holds none of the places
in progress) and a continuation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import exc

from ._schema import CONTINUE, RENDER, REVIEW, Place

if TYPE_CHECKING:
    from ._engine import Engine, Step, Work, Worker

log = logging.getLogger("heygen_async")

FOLLOW = "follow"  # what a step may say comes next
FINISH = "finish"
NOTHING = "nothing"


class Workers:
    """Who works for which batch in this process, for one engine."""

    def __init__(self) -> None:
        self._by_name: dict[str, Worker] = {}

    def has(self, name: str) -> bool:
        """Whether somebody works for a batch."""
        return name in self._by_name

    def open(self, name: str, worker: Worker) -> None:
        """Let work for a batch be done by this worker."""
        self._by_name[name] = worker

    def close(self, name: str) -> None:
        """Leave the work of a batch to others."""
        self._by_name.pop(name, None)

    def of(self, name: str) -> Worker:
        """Return the worker of a batch; without one, what was begun is left for others."""
        try:
            return self._by_name[name]
        except KeyError:
            raise asyncio.CancelledError from None

    def register(self, engine: Engine) -> None:
        """Tell an engine what the pieces of work are."""
        step = partial(_step, engine, self)
        announce, create, say = step("announce"), step("create"), step("say")
        follow, finish, ask = step("follow", preemptible=True), step("finish"), step("ask", preemptible=True)

        async def render(name: str, key: str, attempt: int, turn: int) -> str:
            at = (name, key, attempt, turn)
            with self._paying(*at):
                following = (await announce(*at))["next"]
                if following != NOTHING:
                    following = (await create(*at))["next"]
            return await _rest(follow, finish, at, following)

        async def go_on(name: str, key: str, attempt: int, turn: int) -> str:
            at = (name, key, attempt, turn)
            with self._paying(*at):
                following = (await say(*at))["next"]
            return await _rest(follow, finish, at, following)

        async def review(name: str, key: str, attempt: int, turn: int) -> str:
            return str((await ask(name, key, attempt, turn))["next"])

        for workflow, work in ((RENDER, render), (CONTINUE, go_on), (REVIEW, review)):
            engine.workflow(workflow, _unless_unwritten(workflow, work))

    @contextlib.contextmanager
    def _paying(self, name: str, key: str, attempt: int, turn: int) -> Generator[None]:
        worker, place = self.of(name), Place(key=key, attempt=attempt, turn=turn)
        worker.begun(place)
        try:
            yield
        finally:
            worker.checked(place)


async def _rest(follow: Step, finish: Step, at: tuple[str, str, int, int], following: object) -> str:
    if following == FOLLOW:
        following = (await follow(*at))["next"]
    if following == FINISH:
        following = (await finish(*at))["next"]
    return str(following)


def _step(engine: Engine, workers: Workers, name: str, *, preemptible: bool = False) -> Step:
    async def work(batch: str, key: str, attempt: int, turn: int) -> dict[str, object]:
        worker = workers.of(batch)
        place = Place(key=key, attempt=attempt, turn=turn)
        return {"next": await engine.bridge(worker.loop, lambda: worker.do(name, place))}

    return engine.step(f"heygen.{name}", work, preemptible=preemptible)


def _unless_unwritten(workflow: str, work: Work) -> Work:
    async def guarded(name: str, key: str, attempt: int, turn: int) -> str:
        try:
            return await work(name, key, attempt, turn)
        except exc.SQLAlchemyError as error:
            # A checkpoint could not be written (a full disk, say). The job has not failed: it is left as it is, and
            # the keeper has it done again.
            log.warning("%s of %s could not be written down: %s", workflow, key, type(error).__name__)
            raise asyncio.CancelledError from error

    return guarded
