"""Batches, here and in a database and by the command, whose videos go to a bucket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from batches import run_batch
from durable.campaign import campaign, client, ended, films, service
from files.film import MIB, PNG, noise
from heygen_async import ConfigError, DownloadError, InvalidArgument, Job
from heygen_async.testing import Scenario, Simulator, SimulatorServer

if TYPE_CHECKING:
    import pathlib

    from files.storage.buckets import Bucket, S3Server

pytestmark = pytest.mark.storage

# A process that makes one video for a bucket, told where by its words.
PROCESS = """
import asyncio, sys
from heygen_async import Cadence, HeyGen, Job

async def main():
    job = Job("A film", "film", mode="generate", idempotency_key="k-1")
    async with HeyGen("test-key", base_url=sys.argv[1], cadence=Cadence.constant(0.05)) as heygen:
        async with heygen.batch([job], download_to=sys.argv[2]) as run:
            async for outcome in run:
                print(outcome.path, outcome.error)

asyncio.run(main())
"""


async def test_videos_are_in_the_bucket_under_their_keys(bucket: Bucket) -> None:
    """Each video is where `download_to` says, under its job's key, whatever that is made of."""
    jobs = [Job("One", key, mode="generate") for key in ("intro", "a/b", "Überblick 100 %", "../up", "#1?")]
    async with client(service()) as heygen:
        outcomes = await run_batch(heygen, jobs, download_to=f"{bucket.address}/2026")

    assert [None] * 5 == [outcome.error for outcome in outcomes]
    found = [str(outcome.path) for outcome in outcomes]
    assert sorted(f"{bucket.address}/{key}" for key in bucket.names()) == sorted(found)
    assert f"{bucket.address}/2026/intro.mp4" in found


async def test_a_missing_bucket_costs_nothing(bucket: Bucket) -> None:
    """Where nothing can be stored nothing is created, and the error says what to check."""
    simulator = service()
    async with client(simulator) as heygen:
        with pytest.raises(DownloadError, match="NoSuchBucket") as caught:
            await run_batch(heygen, films(2), download_to="s3://nowhere/films")

    assert [] == simulator.ledger.sessions
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


async def test_an_object_that_is_there_costs_nothing(bucket: Bucket) -> None:
    """A job whose object is there already is refused before it is paid for."""
    bucket.write("film-0.mp4", b"mine")
    simulator = service()
    async with client(simulator) as heygen:
        [outcome] = await run_batch(heygen, films(1), download_to=bucket.address)

    assert "Nothing was created" in str(outcome.error)
    assert [] == simulator.ledger.sessions
    assert b"mine" == bucket.read("film-0.mp4")


async def test_an_attachment_comes_out_of_the_bucket(bucket: Bucket) -> None:
    """An address in `files` is read from the store and uploaded, once for all jobs."""
    bucket.write("logo.png", PNG + noise(3 * MIB))
    jobs = [Job(f"Film {n}", mode="generate", files=[f"{bucket.address}/logo.png"]) for n in range(3)]
    simulator = service()
    async with client(simulator) as heygen:
        assert [] == [finding for finding in await heygen.check(jobs) if not finding.is_warning]
        outcomes = await run_batch(heygen, jobs)
        missing = await run_batch(heygen, [Job("x", files=[f"{bucket.address}/no.png"], mode="generate")])

    assert all(outcome.ok for outcome in outcomes)
    assert 1 == simulator.ledger.requests["asset_upload"].total()
    assert "UploadError" == type(missing[0].error).__name__
    assert 3 == len(simulator.ledger.sessions)


async def test_a_durable_batch_stores_its_videos(bucket: Bucket, tmp_path: pathlib.Path) -> None:
    """A durable batch does the same, says where after it was opened again, and reads attachments by address."""
    bucket.write("logo.png", PNG + b"0" * 100)
    simulator, database = service(), f"sqlite:///{tmp_path / 'campaign.db'}"
    job = Job("A film", "film", mode="generate", files=[f"{bucket.address}/logo.png"])
    async with campaign(database, simulator, download_to=bucket.address) as batch:
        await batch.submit([job])
        before = await ended(batch)
    async with campaign(database, simulator) as batch:
        after = await ended(batch)

    assert f"{bucket.address}/film.mp4" == before["film"].path == after["film"].path
    assert b"ftyp" == bucket.read("film.mp4")[4:8]


async def test_a_killed_process_leaves_no_object_and_the_next_begins_again(bucket: Bucket) -> None:
    """After a SIGKILL in the middle nobody finds half a video, and another run stores the whole of it."""
    simulator = Simulator(speed=2_000)
    simulator.storage.video = noise(24 * MIB)
    simulator.faults.add("stall_after", bytes=16 * MIB, times=1)
    simulator.script(Scenario.generate())
    async with SimulatorServer(simulator) as server:
        words = [sys.executable, "-c", PROCESS, server.url, bucket.address]
        killed = await anyio.open_process(words, stdout=subprocess.PIPE, stderr=None, env={**os.environ})
        while not await anyio.to_thread.run_sync(bucket.unfinished):
            await anyio.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        assert [] == await anyio.to_thread.run_sync(bucket.names)
        done = await anyio.run_process(words, stderr=None, env={**os.environ})

    assert f"{bucket.address}/film.mp4 None" == done.stdout.decode().strip()
    assert noise(24 * MIB) == bucket.read("film.mp4")


async def test_the_command_stores_what_it_makes(s3: S3Server, bucket: Bucket, tmp_path: pathlib.Path) -> None:
    """`batch --download-to` keeps its journal in the folder and the videos in the bucket."""
    (tmp_path / "jobs.csv").write_text("key,prompt\nintro,An intro\n", encoding="utf-8")
    async with SimulatorServer(Simulator(speed=2_000)) as server:
        words = [
            sys.executable,
            "-m",
            "heygen_async",
            "batch",
            "jobs.csv",
            "--out",
            "run",
            "--json",
            "--poll",
            "0.1",
        ]
        done = await anyio.run_process(
            [*words, "--download-to", f"{bucket.address}/films"],
            cwd=tmp_path,
            env={**os.environ, "HEYGEN_API_KEY": server.simulator.api_key, "HEYGEN_API_BASE": server.url},
            check=False,
        )

    assert 0 == done.returncode, done.stderr.decode()
    [line] = (tmp_path / "run" / "results.jsonl").read_text("utf-8").splitlines()
    assert f"{bucket.address}/films/intro.mp4" == json.loads(line)["path"]
    assert ["films/intro.mp4"] == bucket.names()
    assert ["journal.jsonl", "results.jsonl"] == sorted(path.name for path in (tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    "address", ["ftp://films", "s3://", "s3://k:s@films/x", "s3://films/x?X-Amz-Signature=abc"]
)
async def test_what_is_no_address_is_refused_unquoted(address: str) -> None:
    """An address that cannot be used is refused when it is given, without the secrets it may hold."""
    async with client(service()) as heygen:
        with pytest.raises(InvalidArgument, match="download_to") as caught:
            heygen.batch([], download_to=address)

    assert "abc" not in str(caught.value)
    assert "k:s" not in str(caught.value)


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing library is said before anything is created, with the words to install it."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    async with client(service()) as heygen:
        with pytest.raises(ConfigError, match="obstore") as caught:
            heygen.batch([], download_to="s3://films")

    assert "heygen-async[storage]" in caught.value.hint
