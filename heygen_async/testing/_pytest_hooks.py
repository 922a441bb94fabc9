"""What the pytest plugin does beside its fixtures: refuse what cannot work, and show the ledger of a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_OTHER_BACKEND = """\
heygen_client runs on asyncio; this test runs on {name}. Choose with a fixture of your own:

    @pytest.fixture
    def anyio_backend():
        return "asyncio"  # or heygen_async.testing.VIRTUAL_TIME"""
_OTHER_LOOP = """\
anyio_backend asks for virtual time, but pytest-asyncio runs this test on a loop of its own, so time would be real.
Set asyncio_mode = "strict" for it, and mark the tests in virtual time with pytest.mark.anyio."""


def check_backend(anyio_backend: object, item: object) -> None:
    """Refuse a client on another async library, or in virtual time that another plugin would make real."""
    name, options = _read_backend(anyio_backend)
    if name != "asyncio":
        pytest.fail(_OTHER_BACKEND.format(name=name), pytrace=False)
    # In its auto mode it takes every coroutine test, marked for anyio or not, and leaves the fixtures to anyio.
    if "loop_factory" in options and type(item).__module__.startswith("pytest_asyncio"):
        pytest.fail(_OTHER_LOOP, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ledger of the simulator in the report of a failed test."""
    report = yield
    fixtures: dict[str, object] = getattr(item, "funcargs", {})
    if report.failed and report.when == "call" and "heygen_simulator" in fixtures:
        ledger: object = getattr(fixtures["heygen_simulator"], "ledger", None)
        report.sections.append(("ledger of heygen_simulator", str(ledger)))
    return report


def _read_backend(anyio_backend: object) -> tuple[object, dict[str, object]]:
    """Return name and options of what an `anyio_backend` fixture returns."""
    if isinstance(anyio_backend, tuple):
        return cast("tuple[object, dict[str, object]]", anyio_backend)
    return anyio_backend, {}
