"""
This process at work for one batch: it takes pieces of work, does their steps, and leaves in good order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio
from sqlalchemy import exc

from .. import _clock
from .._concurrency import wait_through_cancels
from ._create_step import Creating
from ._follow_step import Following
from ._pauses import PausePoller
from ._recovery import Reaper
from ._review_step import Talking
from ._schema import MovedOn
from ._workflows import FOLLOW, NOTHING, register

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ._engine import Engine
    from ._job_context import JobContext
    from ._schema import Stage
    from ._types import Phase

log = logging.getLogger("heygen_async")

_PAYING: Final = frozenset({"create"})
_SAYING: Final = frozenset({"say"})
# The phases a step is for, and in which its error ends the job: while a reviewer thinks another answer may come.
_FOR: Final[dict[str, tuple[Phase, ...]]] = {
    "create": ("queued", "creating", "rendering"),
    "follow": ("rendering", "answered"),
    "finish": ("rendering",),
    "ask": ("reviewing",),
    "say": ("answered", "rendering"),
}
_REAPER_POLLS: Final = 5  # times slower than the engine's polls for work
_PAUSE_POLLS: Final = 30  # likewise
_LOOK: Final = 0.02  # seconds between two checks whether all has come to its checkpoint
_GRACE: Final = 30.0  # seconds more than a write may take


class BatchWorker:
    """The worker of a batch; see `_workflows.Worker`."""

    def __init__(self, engine: Engine, context: JobContext, changed: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.halted_by: Exception | None = None
        self._engine = engine
        self._context = context
        self._changed = changed
        self._is_closing = False
        self._paying: set[Stage] = set()
        self._tasks: dict[asyncio.Task[object], tuple[str, Stage]] = {}
        self._turns: WeakValueDictionary[tuple[str, Stage], asyncio.Lock] = WeakValueDictionary()
        self._under_way: dict[str, object] = {}
        self._reaper: Reaper | None = None
        self._pauses: asyncio.Task[None] | None = None
        creating, following, talking = Creating(context, self.halt), Following(context), Talking(context)
        self._steps: dict[str, Callable[[Stage], Awaitable[str]]] = {
            "create": creating.create,
            "follow": following.follow,
            "finish": following.finish,
            "ask": talking.ask,
            "say": talking.say,
        }

    # -- as a worker --

    @contextmanager
    def keep_open(self, stage: Stage) -> Generator[None]:
        """Let closing wait for a block; see `_workflows.Worker`."""
        self._paying.add(stage)
        try:
            yield
        finally:
            self._paying.discard(stage)

    @contextmanager
    def track(self, workflow_id: str, stage: Stage) -> Generator[None]:
        """Know that a workflow is under way; see `_workflows.Worker`."""
        # Of two runs of one workflow here the engine lets the newer one finish.
        run = self._under_way[workflow_id] = object()
        try:
            yield
        finally:
            if self._under_way.get(workflow_id) is run:
                del self._under_way[workflow_id]
            self._context.take(stage)  # what no step came for

    async def do(self, step: str, stage: Stage) -> str:
        """
        Do a step; see `_workflows.Worker`.

        A process that was thought dead may be given its own work again: that waits until what is under way has ended,
        and then finds it done. Side by side, a create could not distinguish its own session from another job's.
        """
        if self._is_closing or (self.halted_by is not None and step in _PAYING):
            raise asyncio.CancelledError
        task, following = asyncio.current_task(), NOTHING
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._tasks[task] = (step, stage)
        try:
            async with self._turns.setdefault((step, stage), asyncio.Lock()):
                following = await self._steps[step](stage)
        except MovedOn:
            following = await self._onward(step, stage)
        except exc.SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - a reviewer's or on_event's: it is the job's outcome
            if step in _PAYING:
                self.halt(error)
            await self._context.end(stage, error=error, among=_FOR[step])
            following = await self._onward(step, stage)
        finally:
            del self._tasks[task]
            if following == NOTHING:  # the job may have ended
                self._changed()
        return following

    async def _onward(self, step: str, stage: Stage) -> str:
        """
        Return what comes after a step that is not to be done here, or not any more.

        A process that was thought dead may have done it beside us. It cannot record at the engine what it did, so that
        we go on with it; what it has begun, or left, is checked again later.
        """
        row = await self._context.access.persist(self._context.store.row, stage.key)
        if row is None or self._context.store.stage(row) != stage:
            return NOTHING
        if step in _PAYING | _SAYING and row.phase == "rendering":
            return FOLLOW
        if row.phase in _FOR[step]:
            raise asyncio.CancelledError
        return NOTHING

    def halt(self, error: Exception) -> None:
        """Create nothing more; what is in progress goes on to its end."""
        if self.halted_by is None:
            self.halted_by = error
            log.warning("Nothing more is created: %s", type(error).__name__)
            self._cancel_steps(_PAYING)

    def _cancel_steps(self, steps: frozenset[str] | None = None) -> None:
        """Leave steps to others, but for those that cannot be cut short."""
        current = asyncio.current_task()
        for task, (step, stage) in list(self._tasks.items()):
            if (
                task is not current
                and stage not in self._context.sending
                and (steps is None or step in steps)
            ):
                task.cancel()

    # -- open and close --

    async def open(self) -> None:
        """Take work from now on."""
        await self._context.access.ask(self._open)
        pauses = PausePoller(
            self._context, self._engine.locks, every=_PAUSE_POLLS * self._context.settings.poll
        )
        self._pauses = asyncio.create_task(pauses.run())

    def _open(self) -> None:
        store, settings = self._context.store, self._context.settings
        queues = [store.queue]
        if settings.reviewer is not None:
            queues.append(store.reviews)
        self._engine.start(queues, partial(register, self))
        self._reaper = Reaper(self._engine, self._under_way, every=_REAPER_POLLS * settings.poll)

    async def close(self) -> None:
        """Take no more work, bring to its checkpoint what was paid for, and leave the rest to others."""
        self._is_closing = True
        if self._pauses is not None:
            self._pauses.cancel()
        self._cancel_steps()
        with anyio.move_on_after(self._context.heygen._core.api.timeouts.write + _GRACE):
            while self._paying or self._tasks:
                await _clock.sleep(_LOOK)
                self._cancel_steps()
        if self._pauses is not None:
            await wait_through_cancels([self._pauses], _GRACE)
        await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        if self._reaper is not None:
            self._reaper.stop()
        self._engine.stop()
