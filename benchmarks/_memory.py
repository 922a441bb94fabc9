"""Bytes that a watched session and a watcher take, counted by Python's own allocator, and objects of the collector."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

from heygen_async import Cadence, HeyGen

from . import _answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._measure import Row


class Answer:
    """The same answer for everybody."""

    status = 200
    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, body: bytes) -> None:
        self.body = body


class Line:
    """
    A transport without sockets.

    Attributes:
        is_open: Whether it answers; until then everybody waits.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.is_open = asyncio.Event()
        self.requests = 0

    async def send(self, request: Any) -> Answer:
        """Answer with the body's own copy, as a socket would."""
        self.requests += 1
        await self.is_open.wait()
        return Answer(bytes(bytearray(self._body)))

    def stream(self, request: Any) -> Any:
        """Nobody downloads here."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to close."""


def bytes_each(count: int) -> Row:
    """Return the bytes of each part, over so many sessions."""
    asyncio.run(_answered(1, "small"))  # loads what is loaded with the first poll
    return {
        **asyncio.run(own_bytes(count)),
        "session with wait()": asyncio.run(
            _consumed(count, lambda session: session.wait(until=(), timeout=None))
        ),
        "session with async for": asyncio.run(_consumed(count, _loop)),
        "after one small answer": asyncio.run(_answered(count, "small")),
        "after one large answer": asyncio.run(_answered(count // 4, "large")),
    }


def objects_each(count: int) -> float:
    """Return how many objects the collector visits for each loop over a watch, after an answer."""
    return asyncio.run(_tracked(count))


async def _tracked(count: int) -> float:
    heygen, line = _client("small")
    line.is_open.set()
    tasks = list[asyncio.Future[Any]]()
    counts = list[int]()
    for first in (0, count):  # the first ones bring about what all share
        tasks += [
            asyncio.ensure_future(_loop(heygen.sessions.attach(f"sess_{number}")))
            for number in range(first, first + count)
        ]
        await asyncio.sleep(0.1)
        while heygen.statistics().in_flight or heygen.statistics().due:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
        for _ in range(3):
            gc.collect()
        counts.append(len(gc.get_objects()))
    await _ended(heygen, tasks)
    return (counts[1] - counts[0]) / count


async def own_bytes(count: int) -> Row:
    """Count what is ours, nothing having been answered and nobody waiting yet."""
    heygen, _ = _client("small")
    core, sizes = heygen._core, {}
    core.api.bind()
    sessions = sizes["handle and what is known of it"] = _Counted(
        count, lambda number: heygen.sessions.attach(f"sess_{number}")
    )
    watches = sizes["scheduled session: record, watcher, due time"] = _Counted(
        count, lambda number: _scheduled(heygen, sessions.kept[number])
    )
    extra = sizes["further watcher of the same session"] = _Counted(
        count, lambda number: _scheduled(heygen, sessions.kept[number])
    )
    await heygen.aclose()
    del watches, extra
    return {name: counted.bytes for name, counted in sizes.items()}


def _scheduled(heygen: HeyGen, session: Any) -> Any:
    watch = session.watch(until=(), timeout=None)
    heygen._core.scheduler.add(watch._watcher)
    return watch


class _Counted:
    def __init__(self, count: int, make: Callable[[int], Any]) -> None:
        gc.collect()
        tracemalloc.start()
        self.kept = [make(number) for number in range(count)]
        self.bytes = tracemalloc.get_traced_memory()[0] / count
        tracemalloc.stop()


async def _consumed(count: int, consume: Callable[[Any], Any]) -> float:
    """Count a session together with the coroutine that waits for it, nothing having been answered."""
    heygen, _ = _client("small")
    sessions = [heygen.sessions.attach(f"sess_{number}") for number in range(count)]
    gc.collect()
    tracemalloc.start()
    tasks = [asyncio.ensure_future(consume(session)) for session in sessions]
    await asyncio.sleep(0.1)
    size = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    await _ended(heygen, tasks)
    return size


def _loop(session: Any) -> Any:
    """Loop over a watch; the loop keeps no handle of the session."""
    return _exhaust(session.watch(until=(), timeout=None))


async def _exhaust(watch: Any) -> None:
    async for _ in watch:
        pass


async def _answered(count: int, size: str) -> float:
    """Count what an answer adds to a watched session, its reader having let go of it."""
    heygen, line = _client(size)
    tasks = [
        asyncio.ensure_future(_loop(heygen.sessions.attach(f"sess_{number}"))) for number in range(count)
    ]
    await asyncio.sleep(0.1)
    gc.collect()
    tracemalloc.start()
    line.is_open.set()
    while heygen.statistics().in_flight or heygen.statistics().due:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)
    gc.collect()
    added = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    await _ended(heygen, tasks)
    return added


def _client(size: str) -> tuple[HeyGen, Line]:
    line = Line(_answers.session(*_answers.SIZES[size]))
    return HeyGen("k", http=line, cadence=Cadence.constant(3000), max_connections=100), line


async def _ended(heygen: HeyGen, tasks: list[asyncio.Future[Any]]) -> None:
    await heygen.aclose()
    await asyncio.gather(*tasks, return_exceptions=True)
