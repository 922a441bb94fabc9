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

from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from .. import HeyGen
    from ._simulator import Simulator

__all__ = ["heygen_client", "heygen_simulator"]

OTHER_BACKEND = """\
heygen_client runs on asyncio; this test runs on {name}. Choose with a fixture of your own:

    @pytest.fixture
    def anyio_backend():
        return "asyncio"  # or heygen_async.testing.VIRTUAL_TIME"""
OTHER_LOOP = """\
anyio_backend asks for virtual time, but pytest-asyncio runs this test on a loop of its own, so time would be real.
Set asyncio_mode = "strict" for it, and mark the tests in virtual time with pytest.mark.anyio."""


@pytest.fixture
def heygen_simulator() -> Simulator:
    """
    A simulated service with an empty account.

    Script it with `heygen_simulator.script(...)`, break it with `heygen_simulator.faults.add(...)`, and ask what
    happened with `heygen_simulator.expect_create(...)` or in `heygen_simulator.ledger`.
    """
    from ._simulator import Simulator

    return Simulator()


@pytest.fixture
async def heygen_client(heygen_simulator: Simulator, _heygen_backend: None) -> AsyncIterator[HeyGen]:
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


@pytest.fixture
def _heygen_backend(anyio_backend: object, request: pytest.FixtureRequest) -> None:
    name, options = _backend(anyio_backend)
    if name != "asyncio":
        pytest.fail(OTHER_BACKEND.format(name=name), pytrace=False)
    # In its auto mode it takes every coroutine test, marked for anyio or not, and leaves the fixtures to anyio.
    item: object = request.node
    if "loop_factory" in options and type(item).__module__.startswith("pytest_asyncio"):
        pytest.fail(OTHER_LOOP, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ledger of the simulator in the report of a failed test."""
    report = yield
    fixtures: dict[str, object] = getattr(item, "funcargs", {})
    if report.failed and report.when == "call" and "heygen_simulator" in fixtures:
        ledger: object = getattr(fixtures["heygen_simulator"], "ledger", None)
        report.sections.append(("ledger of heygen_simulator", str(ledger)))
    return report


def _backend(anyio_backend: object) -> tuple[object, dict[str, object]]:
    """Return name and options of what an `anyio_backend` fixture returns."""
    if isinstance(anyio_backend, tuple):
        return cast("tuple[object, dict[str, object]]", anyio_backend)
    return anyio_backend, {}
