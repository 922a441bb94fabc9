"""What a read costs in calls of our own: a count that is the same on every machine, where time is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

import heygen_async
from flows import pass_time
from heygen_async import Cadence, HeyGen
from heygen_async._http.transport import BufferedResponse

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import FrameType

    from heygen_async._http.transport import Request, ResponseStream

pytestmark = pytest.mark.anyio

OURS = str(Path(heygen_async.__file__).parent)
LOOP = str(Path(heygen_async.__file__).parent / "testing")  # virtual time, which a program has not
ANSWER = (
    b'{"data":{"session_id":"s","status":"thinking","progress":%d,"created_at":1700000000,"title":"T","messages":['
    b'{"role":"user","content":"Make it","created_at":1700000000},'
    b'{"role":"model","content":"A plan","created_at":1700000001}]}}'
)
HEADERS = {"content-type": "application/json", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}
READS = 50


class Service:
    """Answers each read with other progress, at once."""

    def __init__(self) -> None:
        self.reads = 0

    async def send(self, request: Request) -> BufferedResponse:
        self.reads += 1
        return BufferedResponse(200, HEADERS, ANSWER % (self.reads % 97))

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


class Calls:
    """Counts the calls of the package's own functions within a block."""

    count = 0

    def __enter__(self) -> Self:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        self.count += event == "call" and file.startswith(OURS) and not file.startswith(LOOP)


def make_client(service: Service) -> HeyGen:
    """Return a client that polls every five seconds, two sessions at a time."""
    return HeyGen("a-key", http=service, cadence=Cadence.constant(5.0), max_connections=2)


async def test_a_refresh_takes_few_calls() -> None:
    """A read of a session takes at most 30 calls of our own."""
    service = Service()
    async with make_client(service) as heygen:
        session = heygen.sessions.attach("s")
        await session.refresh()
        with Calls() as calls:
            for _ in range(READS):
                await session.refresh()

    assert calls.count / READS <= 30


@pytest.mark.parametrize(("watched", "most"), [(1, 92), (50, 72)])
async def test_a_poll_takes_few_calls(watched: int, most: int) -> None:
    """A poll takes a bounded number of calls of our own, fewer where the next one is due at once."""
    service = Service()
    async with make_client(service) as heygen:
        watches = [heygen.sessions.attach(f"s{n}").watch(until=(), timeout=None) for n in range(watched)]
        for watch in watches:
            await anext(watch)
        before = service.reads
        with Calls() as calls:
            await pass_time(100)

    assert calls.count / (service.reads - before) <= most
