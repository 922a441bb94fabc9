"""Who takes part in a flow: a simulated service, the line to it, and clients at the other end, in virtual time."""
# ruff: noqa: TID251 - the loop these tests run in owns the time

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from heygen_async import HeyGen
from heygen_async.testing import MemoryAnswer, MemoryTransport

if TYPE_CHECKING:
    from heygen_async import Session, SessionState
    from heygen_async.testing import Simulator
    from heygen_async.testing._transports.memory import Outgoing

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """One request as it left the client, and when; a body sent in pieces is left out."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


class Line(MemoryTransport):
    """The way to the service, with a note of everything that went over it."""

    def __init__(self, service: Simulator, *, latency: float = 0.01, connect: float = 0.0) -> None:
        super().__init__(service, latency=latency, connect=connect)
        self.service = service
        self.sent: list[Sent] = []

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Note it and pass it on."""
        path = request.url.removeprefix(self.service.base_url)
        body = request.body if isinstance(request.body, bytes) else None
        self.sent.append(Sent(clock(), request.method, path, dict(request.headers), body))
        return await super().send(request)

    def moments(self, method: str, path: str) -> list[float]:
        """Return when requests to addresses that begin so were sent."""
        return [sent.at for sent in self.sent if sent.method == method and sent.path.startswith(path)]


def client(line: Line | Simulator, **options: Any) -> HeyGen:
    """Return a client of the service whose dice fall the same way each time."""
    line = line if isinstance(line, Line) else Line(line)
    options = {"api_key": "test-key", "rng": random.Random(1), **options}
    return HeyGen(base_url="http://127.0.0.1:8080", http=line, **options)


def clock() -> float:
    """Return the seconds of the loop."""
    return anyio.current_time()


async def pass_time(seconds: float) -> None:
    """Let virtual time pass."""
    await anyio.sleep(seconds)


async def rendering(heygen: HeyGen, count: int) -> list[Session]:
    """Return so many sessions that render, and have just been seen doing so."""
    sessions = [await heygen.sessions.create(f"Film {n}", mode="generate") for n in range(count)]
    await pass_time(2)
    for session in sessions:
        await session.refresh()
    return sessions


async def words(states: AsyncIterator[SessionState]) -> list[str]:
    """Return the statuses a watch yields until it ends."""
    return [str(state.status) async for state in states]


async def all_of(items: AsyncIterator[T]) -> list[T]:
    """Return everything an iterator yields."""
    return [item async for item in items]


def tasks() -> int:
    """Return how many tasks there are."""
    return len(asyncio.all_tasks())


class Canned:
    """A service that says what it was told to say, in this order, whatever it is asked."""

    def __init__(self, bodies: Iterable[object]) -> None:
        self._bodies = iter(bodies)

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Return the next answer."""
        body = json.dumps(next(self._bodies)).encode()
        return MemoryAnswer(200, {"content-type": "application/json"}, body)

    def stream(self, request: Outgoing) -> Any:
        """Have no files."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Have nothing to close."""
