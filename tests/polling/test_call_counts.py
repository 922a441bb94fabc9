"""What reads cost, in calls: counts that are the same on every machine, where time is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

import heygen_async
from flows import pass_time
from heygen_async import Cadence, HeyGen
from heygen_async._api.calls import STATUS_IDS
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
RENDERING = (
    b'{"data":{"session_id":"%s","status":"generating","created_at":1,"video_id":"v%d","messages":[]}}'
)
READS = 50
SHARED = 1000  # ten requests a round


class Service:
    """Answers each read at once, with other progress or with the same bytes."""

    def __init__(self, *, is_still: bool = False) -> None:
        self.reads: int = 0
        self.is_still = is_still

    async def send(self, request: Request) -> BufferedResponse:
        self.reads += 1
        return BufferedResponse(200, HEADERS, ANSWER % (7 if self.is_still else self.reads % 97))

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


class Rendering(Service):
    """Answers that sessions render, and that their videos are being made."""

    shared_reads: int = 0

    async def send(self, request: Request) -> BufferedResponse:
        ids = request.url.partition("video_ids=")[2].split("%2C")
        if ids != [""]:
            self.shared_reads += 1
            rows = ",".join(f'{{"video_id":"{one}","status":"processing"}}' for one in ids)
            return BufferedResponse(200, HEADERS, f'{{"data":[{rows}]}}'.encode())
        self.reads += 1
        return BufferedResponse(
            200, HEADERS, RENDERING % (request.url.rsplit("/", 1)[1].encode(), self.reads)
        )


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
    """A read of a session takes at most 18 calls of our own."""
    service = Service()
    async with make_client(service) as heygen:
        session = heygen.sessions.attach("s")
        await session.refresh()
        with Calls() as calls:
            for _ in range(READS):
                await session.refresh()

    assert calls.count / READS <= 18


@pytest.mark.parametrize(
    ("watched", "is_still", "most"), [(50, False, 25), (50, True, 20), (1, False, 35), (1, True, 30)]
)
async def test_a_poll_takes_few_calls(watched: int, is_still: bool, most: int) -> None:
    """A poll takes few calls of our own: fewer for the same bytes, more where a task begins and ends with it."""
    service = Service(is_still=is_still)
    async with make_client(service) as heygen:
        watches = [heygen.sessions.attach(f"s{n}").watch(until=(), timeout=None) for n in range(watched)]
        for watch in watches:
            await anext(watch)
        before = service.reads
        with Calls() as calls:
            await pass_time(100)

    assert calls.count / (service.reads - before) <= most


async def test_the_same_answer_moves_nothing() -> None:
    """An answer that is the same to the byte counts as a read, and the next other one is delivered."""
    service = Service(is_still=True)
    async with make_client(service) as heygen:
        session = heygen.sessions.attach("s")
        first = await session.refresh()
        async with session.watch(until=(), timeout=None, progress=True) as watch:
            assert first.progress == (await anext(watch)).progress
            await pass_time(60)
            service.is_still = False
            assert first.progress != (await anext(watch)).progress

    assert service.reads > 10


async def test_sessions_that_render_share_their_calls() -> None:
    """A session that renders with a thousand others takes at most 2 calls of our own for each shared poll."""
    service = Rendering()
    async with make_client(service) as heygen:
        watches = [heygen.sessions.attach(f"s{n}").watch(until=(), timeout=None) for n in range(SHARED)]
        for watch in watches:
            await anext(watch)
        await pass_time(20)
        singles, before = service.reads, service.shared_reads
        with Calls() as calls:
            await pass_time(100)

    own = 35 * (service.reads - singles)  # a session is read on its own now and then
    assert (calls.count - own) / (service.shared_reads - before) / STATUS_IDS <= 2
