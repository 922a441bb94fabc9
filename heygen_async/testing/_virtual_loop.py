"""
An event loop whose clock jumps to the next timer when nothing else is left to do.

Twenty minutes of polling cost as much as the polls themselves. Work that the loop cannot see (worker threads, bytes on
their way through loopback) is given a moment of real time before the clock moves.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_SECONDS = 1_000.0
EPOCH = 1_767_225_600.0
"""What `wall_time()` says at the start: the first moment of 2026, UTC."""

SOCKET_PATIENCE = 0.001
LAST_PATIENCE = 0.05


class Deadlock(RuntimeError):
    """Every task waits for something that never comes."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An asyncio loop in virtual time.

    Timers fire in order and at once; `time()` says what they were set to. A worker thread gets up to a second of real
    time before timers overtake it, and all the time it needs when no timer is set. Peers in other processes look
    idle: keep client and server in this one loop.

    Give it to anyio as `loop_factory` (`VIRTUAL_TIME` is that, ready made), or use `run()`.

    Attributes:
        thread_patience: Real seconds for which timers wait for threads at work.
    """

    thread_patience: float = 1.0

    def __init__(self) -> None:
        self._virtual_now = START_SECONDS
        self._executor_jobs = 0
        super().__init__(_JumpingSelector(self._advance, self._patience))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual_now

    def wall_time(self) -> float:
        """Return the virtual time as Unix seconds."""
        return EPOCH + self._virtual_now - START_SECONDS

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` in a thread, while the clock stands still for a moment."""
        future = super().run_in_executor(executor, func, *args)
        self._executor_jobs += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002
        """Wait for the threads of `run_in_executor` to end."""
        # The base class waits for them in a thread of its own, under a timer that must not fire first.
        self._executor_jobs += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._executor_jobs -= 1

    def _job_done(self, _future: asyncio.Future[T]) -> None:
        self._executor_jobs -= 1

    def _patience(self) -> float:
        """Return for how many real seconds threads at work deserve to be waited for."""
        busy = self._executor_jobs > 0 or any(_is_busy(thread) for thread in threading.enumerate())
        return self.thread_patience if busy else 0.0

    def _advance(self, seconds: float) -> None:
        self._virtual_now += seconds


class _JumpingSelector(selectors.BaseSelector):
    """Waits on real files for a moment only, then moves the clock of its loop."""

    def __init__(self, advance: Callable[[float], None], thread_patience: Callable[[], float]) -> None:
        self._advance = advance
        self._thread_patience = thread_patience
        self._real = selectors.DefaultSelector()

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        ready = self._listen(timeout)
        if not ready and timeout is None:
            message = "deadlock: every task waits for something that never comes"
            raise Deadlock(message)
        if not ready and timeout is not None:
            self._advance(timeout)
        return ready

    def _listen(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait in real time for what the loop cannot see coming."""
        patience = self._thread_patience()
        if len(self._real.get_map()) > 1:
            patience = max(patience, SOCKET_PATIENCE)
        if timeout is None:
            patience = max(patience, LAST_PATIENCE)
        ready = self._real.select(patience) if patience else []
        while not ready and timeout is None and (patience := self._thread_patience()):
            ready = self._real.select(patience)
        return ready


def _is_busy(thread: threading.Thread) -> bool:
    """Return whether this is one of anyio's worker threads with a job to do."""
    # They are not run by run_in_executor, and a limiter tells of its own threads only.
    idle: object = getattr(thread, "idle_workers", None)
    return idle is not None and not getattr(thread, "stopping", True) and thread not in idle  # type: ignore[operator]


def run(main: Callable[[*Ts], Coroutine[object, object, T]], *args: *Ts) -> T:
    """
    Run a coroutine function to its end in virtual time.

    Args:
        main: The coroutine function.
        *args: Its arguments.

    Raises:
        Deadlock: Every task waits for something that never comes.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main(*args))


VIRTUAL_TIME: tuple[str, dict[str, object]] = ("asyncio", {"loop_factory": VirtualLoop})
"""What an `anyio_backend` fixture returns for tests in virtual time."""
