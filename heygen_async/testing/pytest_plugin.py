"""
Fixtures for tests of programs that use `heygen_async`.

`heygen_client` is a client whose service is `heygen_simulator`, in memory. For tests in which waiting costs no time:

    import pytest

    from heygen_async.testing import VIRTUAL_TIME

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend():
        return VIRTUAL_TIME

The report of a test that fails shows the ledger of its simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ._pytest_hooks import check_backend

# Where pytest finds it.
from ._pytest_hooks import pytest_runtest_makereport as pytest_runtest_makereport  # noqa: PLC0414 - for type checkers too

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .. import HeyGen
    from ._simulator import Simulator

__all__ = ["heygen_client", "heygen_simulator"]


@pytest.fixture
def heygen_simulator() -> Simulator:
    """
    A simulated service with an empty account.

    Script it with `heygen_simulator.script(...)`, break it with `heygen_simulator.faults.add(...)`, and ask what
    happened with `heygen_simulator.expect_create(...)` or in `heygen_simulator.ledger`.
    """
    from ._simulator import Simulator

    return Simulator()


# Not a hook: pytest does not tear down a fixture whose setup a hook refuses, and the next test fails for it.
@pytest.fixture
def _heygen_backend(anyio_backend: object, request: pytest.FixtureRequest) -> None:
    check_backend(anyio_backend, request.node)


@pytest.fixture
async def heygen_client(
    heygen_simulator: Simulator,
    anyio_backend: object,  # noqa: ARG001 - its presence makes anyio run this
    _heygen_backend: None,
) -> AsyncIterator[HeyGen]:
    """
    A client of `heygen_simulator` that uses no socket; closed after the test.

    `anyio_backend` decides whether time is virtual.
    """
    from .. import HeyGen
    from ._transports.memory import MemoryTransport

    transport = MemoryTransport(heygen_simulator)
    key, base_url = heygen_simulator.api_key, heygen_simulator.base_url
    async with HeyGen(api_key=key, base_url=base_url, http=transport) as client:
        yield client
