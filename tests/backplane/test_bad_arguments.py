"""What a backplane is made with and is not what it should be, is refused before it connects."""

from __future__ import annotations

import importlib
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

import pytest

from bad_arguments import problems
from heygen_async.backplane import BackplaneConnection, BaseBackplane, PostgresBackplane, RedisBackplane

if TYPE_CHECKING:
    from collections.abc import Callable

importlib.import_module("psycopg")  # not while a loop runs: it looks for its library with other programs
GOOD: Final = {"url": "redis://localhost", "dsn": "postgresql://localhost/db"}


class AnotherEngine(BaseBackplane):
    """A backplane of somebody else's."""

    def connect(self, channel: str) -> AbstractAsyncContextManager[BackplaneConnection]:
        raise NotImplementedError


@pytest.mark.parametrize("kind", [AnotherEngine, PostgresBackplane, RedisBackplane])
async def test_a_backplane_refuses_bad_arguments(kind: Callable[..., object]) -> None:
    """It says in our own error which argument is not what it should be."""
    assert [] == await problems(kind, GOOD)
