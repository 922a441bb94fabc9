"""The command line of durable batches: a file of prompts, and workers that help."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from heygen_async.testing import Simulator, SimulatorServer
from repository import house

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.durable


async def command(folder: pathlib.Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `heygen-async` in a folder."""
    return await run(folder, url, "-m", "heygen_async", *words)


async def run(folder: pathlib.Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, as a user with a key."""
    environment = {**os.environ, "HEYGEN_API_KEY": "test-key", "HEYGEN_API_BASE": url}
    # Killed when the test is over before it.
    done = await anyio.run_process([sys.executable, *words], cwd=folder, env=environment, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


async def test_a_file_becomes_a_campaign_that_workers_help_with(tmp_path: pathlib.Path) -> None:
    """`batch --database` makes the videos of a file, and a worker finds nothing left to pay for."""
    (tmp_path / "jobs.csv").write_text("key,prompt\na,One\nb,Two\n", encoding="utf-8")
    where = ("--database", "sqlite:///spring.db", "--name", "spring", "--out", "films", "--poll", "0.2")
    simulator = Simulator(speed=200)
    async with SimulatorServer(simulator) as server:
        made = await command(tmp_path, server.url, "batch", "jobs.csv", *where)
        helped = await command(tmp_path, server.url, "worker", *where)

    assert (0, 0) == (made.returncode, helped.returncode), made.stderr + helped.stderr
    assert ["a.mp4", "b.mp4"] == sorted(path.name for path in (tmp_path / "films").iterdir())
    assert 2 == len(simulator.ledger.creates)


async def test_a_job_edited_under_its_key_is_refused(tmp_path: pathlib.Path) -> None:
    """A row that reads differently now names both versions and ends the command; no old video passes for it."""
    where = ("--database", "sqlite:///spring.db", "--name", "spring", "--out", "films", "--poll", "0.2")
    simulator = Simulator(speed=200)
    async with SimulatorServer(simulator) as server:
        (tmp_path / "jobs.csv").write_text("key,prompt\na,A tour\n", encoding="utf-8")
        await command(tmp_path, server.url, "batch", "jobs.csv", *where)
        (tmp_path / "jobs.csv").write_text("key,prompt\na,Another tour\n", encoding="utf-8")
        done = await command(tmp_path, server.url, "batch", "jobs.csv", *where)

    assert 2 == done.returncode
    assert "prompt was 'A tour', is 'Another tour'" in " ".join(done.stderr.split())
    assert 1 == len(simulator.ledger.creates)


async def test_the_example_goes_on_where_it_was(tmp_path: pathlib.Path) -> None:
    """The example makes a campaign of a text file; run again, it knows all and pays for nothing."""
    (tmp_path / "prompts.txt").write_text("One\nTwo\n", encoding="utf-8")
    simulator = Simulator(speed=200)
    script = str(house.ROOT / "examples" / "campaign.py")
    async with SimulatorServer(simulator) as server:
        first = await run(tmp_path, server.url, script, "--live", "--file", "prompts.txt")
        again = await run(tmp_path, server.url, script, "--live", "--file", "prompts.txt")

    assert "2 new, 0 known" in first.stdout, first.stderr
    assert "0 new, 2 known" in again.stdout, again.stderr
    assert 2 == len(simulator.ledger.creates)


async def test_a_database_that_cannot_be_opened_is_said_in_words(tmp_path: pathlib.Path) -> None:
    """A wrong address is a message with a hint about databases, not a traceback, and nothing is created."""
    simulator = Simulator()
    async with SimulatorServer(simulator) as server:
        done = await command(
            tmp_path, server.url, "worker", "--database", "sqlite:////no/such/place.db", "--name", "spring"
        )

    assert done.returncode
    assert "database" in done.stderr
    assert "api.heygen" not in done.stderr
    assert "Traceback" not in done.stderr
    assert [] == simulator.ledger.creates
