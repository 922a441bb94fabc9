"""
Python calls for one poll, by whose they are: a count that is the same on a busy machine, where time is not.

Calls of functions in C do not count. A coroutine that goes on after a wait counts again, as it costs again.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygen_async import HeyGen

from ._peers import aiohttp_msgspec
from ._stub import stub
from .bench_poll import BULK, CALL, FLOOR, SHORTEST, WATCH, open_client, reference

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

    from ._measure import Row

_SESSIONS = 1000
_AT_ONCE = 10
_PACKAGES = {
    "heygen_async": "ours",
    "aiohttp": "aiohttp",
    "yarl": "aiohttp",
    "multidict": "aiohttp",
    "asyncio": "asyncio",
}


def run(*, quick: bool) -> Row:
    """Count for the client, and for what is written by hand."""
    total = 200 if quick else 2000
    rows: list[Row] = []
    for changing in (True, False):
        answer = "changed" if changing else "the same bytes"
        with stub("small", changing=changing) as base:
            counted = {
                WATCH: partial(_watch, base, total),
                CALL: partial(_ask, open_client(base, _AT_ONCE), total),
            }
            if changing:
                counted[FLOOR] = partial(_ask, aiohttp_msgspec(base, _AT_ONCE), total)
            else:
                counted[BULK] = partial(_watch, base, total // 10, bulk=True)
            rows += [
                {"client": name, "answer": answer, **asyncio.run(one())} for name, one in counted.items()
            ]
    return {"rows": rows}


class _Calls:
    def __init__(self) -> None:
        self.of: Counter[str] = Counter()
        self._owners: dict[str, str] = {}

    @contextmanager
    def count(self) -> Iterator[None]:
        """Count what is called within the block."""
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            file = frame.f_code.co_filename
            owner = self._owners.get(file)
            if owner is None:
                owner = self._owners[file] = _owner(file)
            self.of[owner] += 1

    def for_each(self, count: int) -> Row:
        """Return the calls for one request of so many."""
        return {owner: self.of[owner] / count for owner in ("ours", "aiohttp", "asyncio", "others")}


def _owner(file: str) -> str:
    parts = Path(file).parts
    if "benchmarks" in parts:
        return "benchmark"
    return next((_PACKAGES[part] for part in reversed(parts) if part in _PACKAGES), "others")


async def _ask(opened: Any, total: int) -> Row:
    """Count for callers that ask again as soon as they were answered."""
    calls = _Calls()
    async with opened as ask:
        await _ask_each(ask, 1)
        with calls.count():
            await _ask_each(ask, total // _AT_ONCE)
    return calls.for_each(total // _AT_ONCE * _AT_ONCE)


async def _ask_each(ask: Callable[[int], Awaitable[object]], times: int) -> None:
    async def repeat(number: int) -> None:
        for _ in range(times):
            await ask(number)

    await asyncio.gather(*[repeat(number) for number in range(_AT_ONCE)])


async def _watch(base: str, total: int, *, bulk: bool = False) -> Row:
    """Count for the polls of watched sessions."""
    calls = _Calls()
    async with HeyGen("k", base_url=base, max_connections=_AT_ONCE, cadence=SHORTEST) as heygen:
        refs = [reference(number, bulk=bulk) for number in range(_SESSIONS)]
        watches = [heygen.sessions.restore(ref).watch(until=(), timeout=None) for ref in refs]
        await asyncio.gather(*[anext(watch) for watch in watches])
        counters = heygen._core.api.counters
        begun = counters.bulk_polls if bulk else counters.polls
        with calls.count():
            while (done := (counters.bulk_polls if bulk else counters.polls) - begun) < total:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    return calls.for_each(done * (100 if bulk else 1))
