"""Real sockets again: what leaves this process is what the other side hears."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> object:
    """Asyncio without debug mode, in which a server takes a handshake that fails for a fault of its own."""
    return "asyncio"
