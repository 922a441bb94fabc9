"""A service on loopback, and servers that speak what object stores speak."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

import loops
from files.film import client, film
from heygen_async.testing import Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from heygen_async import HeyGen, Video
    from storage.buckets import Bucket, S3Server

# Nothing here can be imported without the group; `nox -s storage_tests` brings it.
collect_ignore_glob = [] if find_spec("obstore") and find_spec("moto") else ["test_*.py"]


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


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server that speaks S3."""
    from storage.buckets import S3Server

    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, and an environment that leads to it."""
    from storage.buckets import Bucket

    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket(s3)
