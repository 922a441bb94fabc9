"""A process that works for a durable batch until it is done: what the tests kill."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager

from heygen_async import Approve, Cadence, HeyGen, Job, Rate, RetryPolicy
from heygen_async._config import Timeouts
from heygen_async._http.aiohttp_transport import open_transport
from heygen_async._http.transport import Request, Response, ResponseStream, Transport
from heygen_async.durable import DurableBatch
from heygen_async.durable._recovery import Reaper

POLL = 0.1


class Deadly:
    """A transport that kills its process when the answer to a create is here, before anybody has read it."""

    def __init__(self, inner: Transport, creates: int) -> None:
        self._inner = inner
        self._left = creates

    async def send(self, request: Request) -> Response:
        answer = await self._inner.send(request)
        if request.method == "POST" and request.route.endswith("video-agents") and answer.status == 200:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        return self._inner.stream(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def _take_for_dead(self: Reaper, executor: str) -> Generator[bool]:
    yield executor != self._engine.executor


def jobs(options: argparse.Namespace) -> list[Job]:
    """The jobs of every run; fewer prompts than jobs makes twins."""
    return [
        Job(
            f"A film about the number {number % options.prompts}",
            f"job-{number}",
            mode=options.mode,
            max_seconds=options.seconds,
        )
        for number in range(options.jobs)
    ]


async def work(options: argparse.Namespace) -> None:
    """Open the batch, submit what is not known, and stay until all has ended."""
    if options.suspicious:
        Reaper._lock = _take_for_dead  # type: ignore[method-assign]
    transport = open_transport(None, timeouts=Timeouts(), max_connections=100, proxies=None)
    heygen = HeyGen(
        "test-key",
        base_url=options.service,
        cadence=Cadence.constant(0.3),
        retry=RetryPolicy(settle_time=1.0, base=0.1),
        http=Deadly(transport, options.die_at_create) if options.die_at_create else None,
    )
    async with (
        heygen,
        DurableBatch(
            options.database,
            name="spring",
            max_in_flight=options.cap,
            reviewer=Approve(),
            heygen=heygen,
            poll_interval=POLL,
            max_spend=options.max_spend,
            rate=None if options.max_spend is None else Rate(per_second=1),
            retry_failed=options.retry_failed,
        ) as batch,
    ):
        await batch.submit(jobs(options))
        print("working", flush=True)
        async for outcome in batch.outcomes():
            if not (outcome.ok or outcome.not_started):
                print(outcome, outcome.error, flush=True)
        print("done", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("database")
    parser.add_argument("service")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=10_000)
    parser.add_argument("--mode", default="chat")
    parser.add_argument("--cap", type=int, default=20)
    parser.add_argument("--die-at-create", type=int, default=0)
    parser.add_argument("--max-spend", type=float, help="at one a second of video")
    parser.add_argument("--seconds", type=float, help="of each video at most")
    parser.add_argument("--retry-failed", type=int, default=0)
    parser.add_argument(
        "--suspicious", action="store_true", help="takes everybody else for dead, all the time"
    )
    try:
        asyncio.run(work(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)
