"""The command line of durable batches: a file of prompts, and workers that help."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from heygen_async._cli.batch import batch
from heygen_async.durable import _repository
from heygen_async.testing import Scenario, Simulator, SimulatorServer
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


async def test_a_budget_is_one_for_all_commands(tmp_path: pathlib.Path) -> None:
    """What the first command spends counts for the next; what is left for want of money says so, and can be seen."""
    (tmp_path / "jobs.csv").write_text(
        "key,prompt,max_seconds\na,One,4\nb,Two,4\nc,Three,4\n", encoding="utf-8"
    )
    where = ("--database", "sqlite:///spring.db", "--name", "spring")
    work = ("--out", "films", "--poll", "0.2", "--rate", "1")
    simulator = Simulator(speed=200)
    async with SimulatorServer(simulator) as server:
        first = await command(tmp_path, server.url, "batch", "jobs.csv", *where, *work, "--max-spend", "9")
        status = await command(tmp_path, server.url, "durable", "status", *where)
        helped = await command(tmp_path, server.url, "worker", *where, *work, "--max-spend", "12")

    assert (1, 0) == (first.returncode, helped.returncode), first.stderr + helped.stderr
    assert "8.00 of 9.00 usd" in first.stdout
    assert "larger --max-spend" in first.stderr
    assert "2 completed, 1 unfunded" in status.stdout
    assert "8.00 of 9.00 usd" in status.stdout
    assert "12.00 of 12.00 usd" in helped.stdout
    assert 3 == len(simulator.ledger.creates)


async def test_the_timeout_counts(tmp_path: pathlib.Path) -> None:
    """A session that takes longer than `--timeout` is late, as without a database; nothing more is paid for it."""
    (tmp_path / "jobs.csv").write_text("key,prompt\na,One\n", encoding="utf-8")
    where = ("--database", "sqlite:///spring.db", "--name", "spring", "--out", "films", "--poll", "0.2")
    simulator = Simulator(scenario=Scenario.stuck())
    async with SimulatorServer(simulator) as server:
        done = await command(tmp_path, server.url, "batch", "jobs.csv", *where, "--timeout", "0.5")

    assert 4 == done.returncode, done.stderr
    assert "late" in done.stdout
    assert 1 == len(simulator.ledger.creates)


async def test_an_early_failure_is_made_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--retry-failed` makes a session again that failed in silence; the first one costs nothing."""
    (tmp_path / "jobs.csv").write_text("prompt\nOne\n", encoding="utf-8")
    simulator = Simulator(speed=200, scenario=Scenario.silent_failure())
    monkeypatch.setattr(_repository, "PAUSE_SECONDS", 0.1)

    async def mend() -> None:
        while not simulator.ledger.creates:
            await anyio.sleep(0.01)
        simulator.script(Scenario.generate())

    async with SimulatorServer(simulator) as server, anyio.create_task_group() as group:
        monkeypatch.setenv("HEYGEN_API_KEY", "test-key")
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        group.start_soon(mend)
        url, out = f"sqlite:///{tmp_path / 'spring.db'}", tmp_path / "films"
        code = await batch(
            str(tmp_path / "jobs.csv"), out=out, database=url, name="spring", retry_failed=1, poll=0.2
        )

    assert 0 == code
    assert (2, 1) == (len(simulator.ledger.creates), len(simulator.ledger.billed))


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
