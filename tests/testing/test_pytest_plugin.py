"""The fixtures that users get by installing the package."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

import pytest

HEAD: Final = """
import pytest
from heygen_async.testing import VIRTUAL_TIME, Scenario

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return VIRTUAL_TIME
"""

TEST: Final = """
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

FAILING: Final = """
async def test_failing(heygen_client, heygen_simulator):
    await heygen_client.sessions.create("A tour of our bakery", mode="generate")
    heygen_simulator.expect_create("espresso")
"""

OTHER_BACKEND: Final = """
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "trio"

async def test_on_trio(heygen_client):
    raise NotImplementedError
"""

# What pytest-asyncio does in its auto mode: each coroutine test becomes an item of a class of its own.
OTHER_PLUGIN: Final = """
import inspect
import pytest

Coroutine = type("Coroutine", (pytest.Function,), {"__module__": "pytest_asyncio.plugin"})

@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector, name, obj):
    if name.startswith("test_") and inspect.iscoroutinefunction(obj):
        return Coroutine.from_parent(collector, name=name)
"""

USERS_FILES: Final = {
    "test_working.py": HEAD + TEST,
    "test_failing.py": HEAD + FAILING,
    "test_other_backend.py": OTHER_BACKEND,
    "beside/conftest.py": OTHER_PLUGIN,
    "beside/test_beside.py": (HEAD + TEST).replace("test_", "test_beside_"),
}


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of a user's tests, all in one run."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "beside").mkdir()
    for name, text in USERS_FILES.items():
        (folder / name).write_text(text)
    plugins = ("-p", "no:randomly", "-W", "error", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-v", *plugins, "--rootdir", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def report(printed: str, test: str) -> str:
    """The report of one test that did not pass, up to the next heading."""
    found = re.search(
        rf"^_+ (?:ERROR at setup of )?{test} _+\n(.*?)^[_=]{{5}}", printed, re.DOTALL | re.MULTILINE
    )
    assert found is not None, printed
    return found[1]


def test_fixtures_give_a_client_of_a_simulator(printed: str) -> None:
    """A user's test gets a client and its service by name, in virtual time if it wants."""
    assert 2 == len(re.findall(r"^test_working\.py::\S+ PASSED", printed, re.MULTILINE))


def test_a_failed_test_shows_the_ledger(printed: str) -> None:
    """The report of a failure shows the line of the test, what was expected, and what the service saw."""
    shown = report(printed, "test_failing")

    assert "expected 1 create(s) with 'espresso', found 0 among:" in shown
    assert re.search(r'^> +heygen_simulator.expect_create\("espresso"\)', shown, re.MULTILINE)
    assert "def find_records" not in shown
    assert "ledger of heygen_simulator" in shown
    assert "1 sessions created, 0 videos billed" in shown


def test_another_backend_is_one_clear_error(printed: str) -> None:
    """A test on another async library fails with a message that says to choose asyncio, without a traceback."""
    shown = report(printed, "test_on_trio")

    assert "heygen_client runs on asyncio; this test runs on trio" in shown
    assert "Traceback" not in shown


def test_virtual_time_that_another_plugin_makes_real_is_refused(printed: str) -> None:
    """Where another plugin runs the test on a loop of its own, virtual time is refused instead of being real."""
    for test in ("test_beside_video", "test_beside_question"):
        assert "pytest-asyncio runs this test on a loop of its own" in report(printed, test)
