"""A backplane in memory, for processes that are clients in one loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel

import flows
from heygen_async.backplane import BackplaneConnection, BaseBackplane


class MemoryEngine:
    """What Redis or PostgreSQL would be."""

    def __init__(self) -> None:
        self.is_up = True
        self.messages: list[bytes] = []
        self.leases: dict[str, tuple[str, int, float]] = {}
        self.connections: list[MemoryConnection] = []
        self._generation = 0

    def stop(self) -> None:
        """Lose all it knows, and everybody who is connected."""
        self.is_up = False
        self.leases.clear()
        for connection in self.connections:
            connection.inbox[0].close()

    def pass_on(self, message: bytes, channel: str | None = None) -> None:
        """Pass a message on, to all channels where a stranger does not care."""
        for connection in self.connections:
            if channel in (None, connection.channel) and not connection.is_silent:
                connection.inbox[0].send_nowait(message)

    def start(self) -> None:
        """Come back."""
        self.is_up = True

    def next_generation(self) -> int:
        """Return a number above all before."""
        self._generation += 1
        return self._generation


class MemoryBackplane(BaseBackplane):
    """A process's way to the engine."""

    def __init__(self, engine: MemoryEngine, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.engine = engine

    @asynccontextmanager
    async def connect(self, channel: str) -> AsyncGenerator[BackplaneConnection]:
        """Connect."""
        if not self.engine.is_up:
            raise ConnectionRefusedError("the engine is stopped")
        connection = MemoryConnection(self.engine, channel)
        self.engine.connections.append(connection)
        try:
            yield connection
        finally:
            self.engine.connections.remove(connection)
            for stream in connection.inbox:
                stream.close()


class MemoryConnection:
    """One process's."""

    def __init__(self, engine: MemoryEngine, channel: str) -> None:
        self.engine = engine
        self.channel = channel
        self.is_silent = False  # as that of a process that was stopped
        self.owner = ""
        self.inbox = anyio.create_memory_object_stream[bytes](100_000)

    async def publish(self, message: bytes, /) -> None:
        """Pass a message on."""
        await self._check()
        self.engine.messages.append(message)
        self.engine.pass_on(message, self.channel)

    async def receive(self) -> bytes:
        """Wait for one."""
        return await self.inbox[1].receive()

    async def acquire(self, names: Sequence[str], owner: str, seconds: float, /) -> Sequence[int]:
        """Lend names."""
        await self._check()
        self.owner = owner
        return [self._acquire(name, owner, seconds) for name in names]

    def _acquire(self, name: str, owner: str, seconds: float) -> int:
        now = flows.clock()
        holder, generation, until = self.engine.leases.get(self.channel + name, ("", 0, 0.0))
        if holder != owner:
            if now < until:
                return 0
            generation = self.engine.next_generation()
        self.engine.leases[self.channel + name] = owner, generation, now + seconds
        return generation

    async def release(self, names: Sequence[str], owner: str, /) -> None:
        """Take names back."""
        await self._check()
        for name in names:
            if self.engine.leases.get(self.channel + name, ("",))[0] == owner:
                del self.engine.leases[self.channel + name]

    async def _check(self) -> None:
        await anyio.lowlevel.checkpoint()
        while self.is_silent:
            await anyio.sleep(1)
        if not self.engine.is_up:
            raise ConnectionResetError("the engine is stopped")
