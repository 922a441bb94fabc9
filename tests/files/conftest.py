"""Files through real sockets into real folders, in real time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import loops
from files.film import client, film
from heygen_async.testing import Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heygen_async import HeyGen, Video


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in debug mode: it warns of what was never awaited or closed, and warnings are errors."""
    return loops.backend(pytestconfig, debug=True)


@pytest.fixture
async def server(anyio_backend: object) -> AsyncIterator[SimulatorServer]:
    """A service on loopback, its files on a port of their own."""
    async with SimulatorServer(Simulator()) as server:
        yield server


@pytest.fixture
def service(server: SimulatorServer) -> Simulator:
    """The service behind the server."""
    return server.simulator


@pytest.fixture
async def heygen(server: SimulatorServer) -> AsyncIterator[HeyGen]:
    """A client of it that waits for milliseconds where it would wait for seconds."""
    async with client(server) as heygen:
        yield heygen


@pytest.fixture
async def video(service: Simulator, heygen: HeyGen) -> Video:
    """A finished video."""
    return await heygen.videos.get(film(service))
