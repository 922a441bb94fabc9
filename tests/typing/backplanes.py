"""
Backplanes as users write them; never run, only read by type checkers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import assert_type

from heygen_async import HeyGen
from heygen_async.backplane import (
    Backplane,
    BackplaneConnection,
    BaseBackplane,
    PostgresBackplane,
    RedisBackplane,
)

BACKPLANES: tuple[Backplane, ...] = (
    RedisBackplane("redis://localhost"),
    RedisBackplane("rediss://cache.example", secret=b"long and random", lease=5),
    PostgresBackplane("postgresql://localhost/app", secret="long and random"),
)


class NatsConnection:
    """An engine of one's own."""

    async def publish(self, message: bytes, /) -> None:
        """Pass it on."""

    async def receive(self) -> bytes:
        """Wait for it."""
        return b""

    async def acquire(self, names: Sequence[str], owner: str, seconds: float, /) -> Sequence[int]:
        """Lend names."""
        return [1 for _ in names]

    async def release(self, names: Sequence[str], owner: str, /) -> None:
        """Take them back."""


class NatsBackplane(BaseBackplane):
    """A backplane on it."""

    @asynccontextmanager
    async def connect(self, channel: str) -> AsyncGenerator[BackplaneConnection]:
        """Connect."""
        yield NatsConnection()


async def share(heygen: HeyGen) -> None:
    """Everything a backplane gives."""
    async with HeyGen(backplane=NatsBackplane(secret="long and random")) as client:
        assert_type(client.statistics().is_backplane_away, bool | None)
        assert_type(client.statistics().shared_reads, int)
    async with NatsBackplane().connect("channel") as connection:
        await connection.publish(b"message")
        assert_type(await connection.receive(), bytes)
        assert_type(await connection.acquire(["name"], "owner", 10), Sequence[int])
        await connection.release(["name"], "owner")
