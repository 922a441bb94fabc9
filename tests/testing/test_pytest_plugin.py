"""The fixtures that users get by installing the package."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib

TEST = """
import pytest
from heygen_async.testing import VIRTUAL_TIME, Scenario

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME

async def test_video(heygen_client, heygen_simulator):
    session = await heygen_client.sessions.create("An espresso machine", mode="generate")
    state = await session.wait()
    assert state.status == "completed"
    assert len(heygen_simulator.ledger.billed) == 1

async def test_question(heygen_client, heygen_simulator):
    heygen_simulator.script(Scenario.question())
    session = await heygen_client.sessions.create("An espresso machine")
    state = await session.wait()
    assert state.status == "waiting_for_input"
"""


FAILING = """
import pytest
from heygen_async.testing import VIRTUAL_TIME

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME

async def test_video(heygen_client, heygen_simulator):
    await heygen_client.sessions.create("A tour of our bakery", mode="generate")
    heygen_simulator.expect_create("espresso")
"""

OTHER_BACKEND = """
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "trio"

async def test_video(heygen_client):
    raise NotImplementedError
"""

# What pytest-asyncio does in its auto mode: each coroutine test becomes an item of a class of its own.
OTHER_PLUGIN = """
import inspect
import pytest

Coroutine = type("Coroutine", (pytest.Function,), {"__module__": "pytest_asyncio.plugin"})

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    if name.startswith("test_") and inspect.iscoroutinefunction(obj):
        return Coroutine.from_parent(collector, name=name)
"""


def outcome(folder: pathlib.Path, test: str, conftest: str = "") -> str:
    """What pytest prints of a user's test."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_mine.py").write_text(test)
    plugins = ("-p", "no:randomly", "-W", "error", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", str(folder), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_fixtures_give_a_client_of_a_simulator(tmp_path: pathlib.Path) -> None:
    """A user's test gets a client and its service by name, in virtual time if it wants."""
    assert "2 passed" in outcome(tmp_path, TEST)


def test_a_failed_test_shows_the_ledger(tmp_path: pathlib.Path) -> None:
    """The report of a failure says what was expected, and what the service saw."""
    shown = outcome(tmp_path, FAILING)

    assert "expected 1 create(s) with 'espresso', found 0 among:" in shown
    assert "ledger of heygen_simulator" in shown
    assert "1 sessions created, 0 videos billed" in shown


def test_another_backend_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    """A test on another async library is told to choose asyncio, in so many words and without a traceback."""
    shown = outcome(tmp_path, OTHER_BACKEND)

    assert "heygen_client runs on asyncio; this test runs on trio" in shown
    assert "Traceback" not in shown


def test_virtual_time_that_another_plugin_makes_real_is_refused(tmp_path: pathlib.Path) -> None:
    """Where another plugin runs the test on a loop of its own, virtual time is refused instead of being real."""
    shown = outcome(tmp_path, TEST, OTHER_PLUGIN)

    assert "pytest-asyncio runs this test on a loop of its own" in shown
    assert "passed" not in shown
