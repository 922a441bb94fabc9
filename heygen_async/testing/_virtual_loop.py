"""
An event loop whose clock jumps to the next timer when nothing else is left to do.

Twenty minutes of polling cost as much as the polls themselves. Work that the loop cannot see (worker threads, bytes on
their way through loopback) is given a moment of real time before the clock moves. Real time never decides what is a
deadlock: a slow machine would look like one.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextvars import Context
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from ..errors._arguments import check_callable

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_SECONDS = 1_000.0
EPOCH = 1_767_225_600.0
"""What `wall_time()` says at the start: the first moment of 2026, UTC."""

SOCKET_PATIENCE = 0.001
THREAD_CHECK = 0.05


class Deadlock(RuntimeError):
    """Every task waits for something that never comes."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An asyncio loop in virtual time.

    Timers fire in order and at once; `time()` says what they were set to. A worker thread gets up to ten seconds of
    real time before timers overtake it, and all the time it needs when no timer is set. Peers in other processes look
    idle: keep client and server in this one loop.

    When no timer is set and nothing could wake the loop, it raises `Deadlock` at once; an infinite sleep is no timer.
    An open socket or pipe could wake it, and so could any other thread, but for idle workers of `asyncio.to_thread`
    and `anyio.to_thread`. Then it waits in real time, however long that takes.

    Give it to anyio as `loop_factory` (`VIRTUAL_TIME` is that, ready made), or use `run()`.

    Attributes:
        thread_patience: Real seconds for which timers wait for threads at work.
    """

    thread_patience: float = 10.0

    def __init__(self) -> None:
        self._virtual_now = START_SECONDS
        self._executor_jobs = 0
        super().__init__(_JumpingSelector(self._advance, self._patience, self._can_be_woken))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual_now

    def wall_time(self) -> float:
        """Return the virtual time as Unix seconds."""
        return EPOCH + self._virtual_now - START_SECONDS

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back when the clock says `when`; never, if that is infinite."""
        if when == math.inf:  # `anyio.sleep_forever()`
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

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
        busy = self._executor_jobs > 0 or any(
            _is_anyio_worker(thread) and not _is_idle(thread) for thread in threading.enumerate()
        )
        return self.thread_patience if busy else 0.0

    def _can_be_woken(self) -> bool:
        """Return whether another thread could have something to tell this loop."""
        pool: object = getattr(self, "_default_executor", None)
        mine = {threading.current_thread(), *getattr(pool, "_threads", ())}
        return self._executor_jobs > 0 or any(
            thread not in mine and not _is_idle(thread) for thread in threading.enumerate()
        )

    def _advance(self, seconds: float) -> None:
        self._virtual_now += seconds


class _JumpingSelector(selectors.BaseSelector):
    """Waits on real files for a moment only, then moves the clock of its loop."""

    def __init__(
        self,
        advance: Callable[[float], None],
        thread_patience: Callable[[], float],
        can_be_woken: Callable[[], bool],
    ) -> None:
        self._advance = advance
        self._thread_patience = thread_patience
        self._can_be_woken = can_be_woken
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
        if timeout is None:
            return self._wait()
        ready = self._listen()
        if not ready:
            self._advance(timeout)
        return ready

    def _listen(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait a moment for what the loop cannot see coming."""
        patience = self._thread_patience()
        if self._has_files():
            patience = max(patience, SOCKET_PATIENCE)
        return self._real.select(patience) if patience else []

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the one thing that can still happen: something from outside the loop."""
        while self._has_files() or self._can_be_woken():
            # A thread that ends without a word wakes nobody, so whether there is one is asked again and again.
            if ready := self._real.select(None if self._has_files() else THREAD_CHECK):
                return ready
        # The last of them may have spoken since.
        if ready := self._real.select(0):
            return ready
        message = "deadlock: every task waits for something that never comes"
        raise Deadlock(message)

    def _has_files(self) -> bool:
        """Return whether there is any open file but the loop's own, by which threads wake it."""
        return len(self._real.get_map()) > 1


def _is_anyio_worker(thread: threading.Thread) -> bool:
    # They are not run by run_in_executor, and a limiter tells of its own threads only.
    return getattr(thread, "idle_workers", None) is not None


def _is_idle(thread: threading.Thread) -> bool:
    """Return whether this is one of anyio's worker threads without a job."""
    idle: object = getattr(thread, "idle_workers", None)
    return idle is not None and (getattr(thread, "stopping", True) or thread in idle)  # type: ignore[operator]


def run(main: Callable[[*Ts], Coroutine[object, object, T]], *args: *Ts) -> T:
    """
    Run a coroutine function to its end in virtual time.

    Args:
        main: The coroutine function.
        *args: Its arguments.

    Raises:
        Deadlock: Every task waits for something that never comes; see `VirtualLoop`.
        InvalidArgument: It cannot be called.
    """
    check_callable(main=main)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main(*args))


VIRTUAL_TIME: tuple[str, dict[str, object]] = ("asyncio", {"loop_factory": VirtualLoop})
"""What an `anyio_backend` fixture returns for tests in virtual time."""
