"""Real sockets on loopback, in real time."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> object:
    """Asyncio in debug mode: it warns of what was never awaited or closed, and warnings are errors."""
    return "asyncio", {"debug": True}
