"""
The three workflows of a job, as the engine runs them.

The steps of each and their order are frozen under its name: the engine replays what was recorded, and a release with
another order could not. Another order is another name, `….v2`, beside these.

The workflows of a job follow each other: a render, then for each pause a review (which holds no slot of those in
progress) and a continuation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from dbos import DBOS
from sqlalchemy import exc

from ._schema import CONTINUE, RENDER, REVIEW, Stage

log = logging.getLogger("heygen_async")

T = TypeVar("T")
Step = Callable[[str, str, int, int], Awaitable[dict[str, object]]]
Workflow = Callable[[str, str, int, int], Awaitable[str]]

FOLLOW = "follow"  # what a step may return: which step is next
FINISH = "finish"
NOTHING = "nothing"


class Worker(Protocol):
    """A batch that this process works for."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def keep_open(self, stage: Stage) -> AbstractContextManager[None]:
        """Let closing wait for a block, in which something is paid for, and for its checkpoint."""
        ...

    def track(self, workflow_id: str, stage: Stage) -> AbstractContextManager[None]:
        """Know that a workflow of a stage is under way for as long as a block runs."""
        ...

    async def do(self, step: str, stage: Stage) -> str:
        """Do a step and return which one is next."""
        ...


def register(worker: Worker) -> None:
    """Register the workflows, whose steps are done by this worker."""
    create, send = _step(worker, "create"), _step(worker, "say")
    follow, finish = _step(worker, "follow", preemptible=True), _step(worker, "finish")
    ask = _step(worker, "ask", preemptible=True)

    async def render(name: str, key: str, attempt: int, turn: int) -> str:
        at = (name, key, attempt, turn)
        with worker.keep_open(Stage(key=key, attempt=attempt, turn=turn)):
            following = await create(*at)
        return await _continue(follow, finish, at, following)

    async def go_on(name: str, key: str, attempt: int, turn: int) -> str:
        at = (name, key, attempt, turn)
        with worker.keep_open(Stage(key=key, attempt=attempt, turn=turn)):
            following = await send(*at)
        return await _continue(follow, finish, at, following)

    async def review(name: str, key: str, attempt: int, turn: int) -> str:
        return str((await ask(name, key, attempt, turn))["next"])

    for workflow, work in ((RENDER, render), (CONTINUE, go_on), (REVIEW, review)):
        # Never given up for having been begun often.
        DBOS.workflow(name=workflow, max_recovery_attempts=None)(_run_workflow(worker, workflow, work))


async def _continue(
    follow: Step, finish: Step, at: tuple[str, str, int, int], following: dict[str, object]
) -> str:
    if following["next"] == FOLLOW:
        following = await follow(*at)
    if following["next"] == FINISH:
        following = await finish(*at)
    return str(following["next"])


def _step(worker: Worker, name: str, *, preemptible: bool = False) -> Step:
    @DBOS.step(name=f"heygen.{name}", preemptible=preemptible)
    async def step(_batch: str, key: str, attempt: int, turn: int) -> dict[str, object]:
        stage = Stage(key=key, attempt=attempt, turn=turn)
        return {"next": await _run_on(worker.loop, lambda: worker.do(name, stage))}

    return step


def _run_workflow(worker: Worker, workflow: str, work: Workflow) -> Workflow:
    async def run(name: str, key: str, attempt: int, turn: int) -> str:
        stage = Stage(key=key, attempt=attempt, turn=turn)
        try:
            with worker.track(str(DBOS.workflow_id), stage):
                return await work(name, key, attempt, turn)
        except exc.SQLAlchemyError as error:
            # A checkpoint could not be written (a full disk, say). The job has not failed: it stays as it is, and the
            # reaper queues it again.
            log.warning("%s of %s could not be recorded: %s", workflow, key, type(error).__name__)
            raise asyncio.CancelledError from error

    return run


async def _run_on(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """
    Run a coroutine on the loop of a batch, from the engine's.

    Raises:
        asyncio.CancelledError: That loop is closed; what was begun is left for others.
    """
    coroutine = work()
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:
        coroutine.close()
        raise asyncio.CancelledError from None
    return await asyncio.wrap_future(future)
