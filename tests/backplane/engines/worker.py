"""A process that watches sessions until they end, and writes down each state it yields: what the tests kill."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from heygen_async import Cadence, HeyGen
from heygen_async.backplane import PostgresBackplane, RedisBackplane
from heygen_async.webhooks import parse_unverified


def backplane(address: str, lease: float) -> RedisBackplane | PostgresBackplane | None:
    """Return the backplane at an address; None for no address."""
    if not address:
        return None
    kind = RedisBackplane if address.startswith("redis") else PostgresBackplane
    return kind(address, lease=lease)


def say(*words: object) -> None:
    """Write a line that survives a kill, with the time that all processes share."""
    print(*words, f"{time.monotonic():.3f}", flush=True)


async def watch(heygen: HeyGen, session_id: str, number: int) -> None:
    """Watch a session once."""
    watch = heygen.sessions.attach(session_id).watch(until=["completed", "failed"])
    async for state in watch:
        say("state", session_id, number, state.status)


async def listen(heygen: HeyGen, reader: asyncio.StreamReader) -> None:
    """Take the webhooks that the test passes on."""
    while line := await reader.readline():
        heygen.notify(parse_unverified(line))


async def main() -> None:
    """Say that this process is ready, and watch the sessions named by the first line that comes in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("service")
    parser.add_argument("--backplane", default="")
    parser.add_argument("--lease", type=float, default=10.0)
    parser.add_argument("--watchers", type=int, default=1)
    parser.add_argument("--every", type=float)
    given = parser.parse_args()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    say("ready")
    session_ids = (await reader.readline()).decode().split()
    async with HeyGen(
        "test-key",
        base_url=given.service,
        backplane=backplane(given.backplane, given.lease),
        cadence=None if given.every is None else Cadence.constant(given.every),
    ) as heygen:
        listening = asyncio.create_task(listen(heygen, reader))
        async with asyncio.TaskGroup() as group:
            for session_id in session_ids:
                for number in range(given.watchers):
                    group.create_task(watch(heygen, session_id, number))
        listening.cancel()
        say("done", heygen.statistics().requests, heygen.statistics().shared_reads, time.process_time())


asyncio.run(main())
