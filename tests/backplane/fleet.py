"""Several processes of one account: clients in one loop that meet on an engine in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from backplane.memory import MemoryBackplane, MemoryEngine
from flows import Line, client
from heygen_async import HeyGen, Session
from heygen_async.errors import ConnectFailed
from heygen_async.models import Mode
from heygen_async.testing import MemoryAnswer, Simulator
from heygen_async.testing._transports.memory import Outgoing

ENDS = ("completed", "failed")


class Cable(Line):
    """The way of one process to the service: it can be cut."""

    is_cut = False

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on, unless cut."""
        if self.is_cut:
            raise ConnectFailed("The cable is cut.")
        return await super().send(request)

    @property
    def reads(self) -> int:
        """How many requests were sent that read."""
        return sum(sent.method == "GET" for sent in self.sent)


class Fleet:
    """
    Processes that watch the same sessions.

    Attributes:
        clients: One for each process.
        cables: Their ways to the service.
        backplanes: Their ways to the engine.
        seen: The statuses each watch has yielded, by process and session.
    """

    def __init__(
        self,
        service: Simulator,
        count: int,
        *,
        engine: MemoryEngine | None,
        secret: str | None = None,
        **options: Any,
    ) -> None:
        self.service = service
        self.cables = [Cable(service) for _ in range(count)]
        self.backplanes = (
            [] if engine is None else [MemoryBackplane(engine, secret=secret) for _ in range(count)]
        )
        shared = [{"backplane": one} for one in self.backplanes] or [{}] * count
        self.clients: list[HeyGen] = [
            client(cable, **{"rng": random.Random(place), **more, **options})
            for place, (cable, more) in enumerate(zip(self.cables, shared, strict=True))
        ]
        self.seen: dict[tuple[int, str], list[list[str]]] = {}

    @property
    def reads(self) -> int:
        """How many requests all have sent that read."""
        return sum(cable.reads for cable in self.cables)

    def holder(self, engine: MemoryEngine) -> int:
        """Return which process holds all leases there are."""
        (owner,) = {owner for owner, _, _ in engine.leases.values()}
        sharings = [client._core.scheduler.sharing for client in self.clients]
        return [getattr(sharing, "owner", None) for sharing in sharings].index(owner)

    async def watch(self, place: int, session_id: str, until: Iterable[str] = ENDS) -> list[str]:
        """Watch a session in one process, to its end."""
        mine: list[str] = []
        self.seen.setdefault((place, session_id), []).append(mine)
        watch = self.clients[place].sessions.attach(session_id).watch(until=until)
        async with watch:
            async for state in watch:
                mine += [str(state.status)]
        return mine

    async def watch_all(self, session_ids: Iterable[str], watchers: int = 1) -> None:
        """Watch sessions in all processes, to their ends."""
        async with anyio.create_task_group() as group:
            for place in range(len(self.clients)):
                for session_id in session_ids:
                    for _ in range(watchers):
                        group.start_soon(self.watch, place, session_id)

    async def sessions(self, count: int, mode: Mode = "generate") -> list[Session]:
        """Create sessions by the first process."""
        make = self.clients[0].sessions.create
        return [await make(f"Film {number}", mode=mode) for number in range(count)]


@asynccontextmanager
async def fleet(
    service: Simulator, count: int, *, engine: MemoryEngine | None, **options: Any
) -> AsyncGenerator[Fleet]:
    """Run so many processes."""
    made = Fleet(service, count, engine=engine, **options)
    try:
        yield made
    finally:
        for one in made.clients:
            await one.aclose()


def last(states: list[str]) -> str | None:
    """Return the newest of them."""
    return states[-1] if states else None
