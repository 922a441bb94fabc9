"""Real engines, started for these tests, and real time: an engine's connections know no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import pytest

import loops
from backplane.memory import MemoryBackplane, MemoryEngine
from heygen_async.backplane import BaseBackplane, PostgresBackplane, RedisBackplane
from servers import Postgres, Redis, run_postgres, run_redis

# Nothing here can be run without the extras; `nox -s backplane_tests` brings them.
collect_ignore_glob = [] if find_spec("redis") and find_spec("psycopg") else ["test_*.py"]
for library in ("redis", "psycopg"):  # before a loop runs, which an import would block
    if find_spec(library):
        import_module(library)


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in real time."""
    return loops.backend(pytestconfig)


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> None:
    """Let the engines' clients do what they do: that of Redis reads its version from a file."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis."""
    with run_redis() as server:
        yield server


@pytest.fixture(params=["memory", "redis", "postgresql"])
def backplane(request: pytest.FixtureRequest) -> Callable[..., BaseBackplane]:
    """Makes backplanes that meet on one engine, of each kind."""
    if request.param == "memory":
        engine = MemoryEngine()
        return partial(MemoryBackplane, engine)
    if request.param == "redis":
        redis: Redis = request.getfixturevalue("redis")
        return partial(RedisBackplane, redis.url)
    postgres: Postgres = request.getfixturevalue("postgres")
    return partial(PostgresBackplane, postgres.database())
