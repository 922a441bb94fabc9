"""Real sockets on loopback, in real time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

import loops
from heygen_async import Timeouts
from heygen_async._http.aiohttp_transport import AiohttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager


class OpenTransport(Protocol):
    """How a test opens a transport."""

    def __call__(
        self, *, connections: int = ..., largest: int = ..., connect: float = ...
    ) -> AbstractAsyncContextManager[AiohttpTransport]: ...


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in debug mode: it warns of what was never awaited or closed, and warnings are errors."""
    return loops.backend(pytestconfig, debug=True)


@pytest.fixture
def transport() -> OpenTransport:
    """A transport that gives up soon, closed at the end of its block."""

    @asynccontextmanager
    async def opened(
        *, connections: int = 10, largest: int = 16 * 1024 * 1024, connect: float = 10.0
    ) -> AsyncGenerator[AiohttpTransport]:
        limits = Timeouts(connect=connect, transfer=0.1)
        it = AiohttpTransport(timeouts=limits, max_connections=connections, max_body_bytes=largest)
        try:
            yield it
        finally:
            await it.aclose()

    return opened
