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


def test_fixtures_give_a_client_of_a_simulator(tmp_path: pathlib.Path) -> None:
    """A user's test gets a client and its service by name, in virtual time if it wants."""
    (tmp_path / "test_mine.py").write_text(TEST)
    plugins = ("-p", "no:randomly", "-W", "error")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "2 passed" in done.stdout, done.stdout + done.stderr
