"""What watchers cost in memory, and that they leave none behind: objects and bytes, the same on every machine."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
import weakref
from typing import TYPE_CHECKING

import pytest

from flows import pass_time
from heygen_async import Cadence, HeyGen
from heygen_async._http.transport import BufferedResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from heygen_async import Outage, Session, TransitionEvent
    from heygen_async._http.transport import Request, ResponseStream
    from heygen_async.cadence import PollContext

ANSWER = b'{"data":{"session_id":"s","status":"thinking","progress":7,"created_at":1700000000,"messages":[]}}'
HEADERS = {"content-type": "application/json", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}
COUNT = 200
MANY = 2500  # which a dictionary has just grown for

pytestmark = pytest.mark.anyio


class Service:
    """Answers each read at once, and always the same."""

    async def send(self, request: Request) -> BufferedResponse:
        return BufferedResponse(200, HEADERS, ANSWER)

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def make_client(service: Service) -> HeyGen:
    """Return a client that polls rarely, once each session was read."""
    return HeyGen("a-key", http=service, cadence=Cadence.constant(3000), max_connections=2)


async def loop(heygen: HeyGen, session_id: str) -> None:
    """Loop over a watch, the handle of whose session nobody keeps."""
    async for _ in heygen.sessions.attach(session_id).watch():
        pass


async def wait(heygen: HeyGen, session_id: str) -> None:
    """Wait for a session."""
    await heygen.sessions.attach(session_id).wait()


async def begin(
    heygen: HeyGen, consume: Callable[[HeyGen, str], Coroutine[None, None, None]], first: int
) -> set[asyncio.Task[None]]:
    """Begin tasks that each consume the states of a session, and have them wait for the next."""
    names = [f"s{number}" for number in range(first, first + COUNT)]
    tasks = {asyncio.create_task(consume(heygen, name)) for name in names}
    await pass_time(60)
    return tasks


async def end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel tasks."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def count_objects() -> int:
    """Return how many objects the garbage collector visits, once it has let go of those it need not."""
    for _ in range(3):
        gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize("consume", [loop, wait])
async def test_a_watcher_is_few_objects_for_the_collector(
    consume: Callable[[HeyGen, str], Coroutine[None, None, None]],
) -> None:
    """A loop over a watch, or a wait, adds at most 12 objects that the collector visits, of which 8 are the task's."""
    async with make_client(Service()) as heygen:
        tasks = await begin(heygen, consume, 0)
        before = count_objects()
        tasks |= await begin(heygen, consume, COUNT)
        added = count_objects() - before
        await end(tasks)

    assert round(added / COUNT, 1) <= 12


class Silent(Service):
    """Answers nothing."""

    async def send(self, request: Request) -> BufferedResponse:
        await asyncio.get_running_loop().create_future()
        raise NotImplementedError


async def bytes_each(begin_one: Callable[[HeyGen, Session], object]) -> float:
    """Return the bytes that are added for each session of which nothing has been read."""
    # The least of three: first code is loaded, and asyncio's own table of tasks grows at times.
    return min([await add_bytes(begin_one) for _ in range(3)]) / MANY


async def add_bytes(begin_one: Callable[[HeyGen, Session], object]) -> int:
    """Return the bytes that many sessions add."""
    async with make_client(Silent()) as heygen:
        sessions = [heygen.sessions.attach(f"s{number}") for number in range(MANY)]
        gc.collect()
        tracemalloc.start()
        try:
            kept = [begin_one(heygen, session) for session in sessions]
            await pass_time(1)
            added, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await end({task for task in kept if isinstance(task, asyncio.Task)})
    return added


async def test_a_scheduled_session_is_few_bytes() -> None:
    """A watch without a deadline takes at most 512 bytes, polls and all, besides what is known of its session."""

    def schedule(heygen: HeyGen, session: Session) -> object:
        watch = session.watch(timeout=None)
        heygen._core.scheduler.add(watch._watcher)
        return watch

    assert await bytes_each(schedule) <= (
        512 if sys.version_info < (3, 12) else 520
    )  # a weak reference takes more


async def test_a_wait_is_few_bytes() -> None:
    """A task that waits for a session takes at most 1,500 bytes, most of them its own and its coroutine's."""

    def begin_wait(_: HeyGen, session: Session) -> object:
        return asyncio.create_task(session.wait())

    assert await bytes_each(begin_wait) <= 1500


class Program:
    """A program whose callbacks lead back to its client, as methods of what holds one do."""

    def __init__(self) -> None:
        self.heygen = HeyGen(
            "a-key", http=Service(), cadence=Cadence.constant(5), on_transition=self.handle_transition
        )
        self.sessions = [self.heygen.sessions.attach(f"s{number}") for number in range(3)]
        self.watches = [
            session.watch(cadence=self.plan, on_outage=self.handle_outage) for session in self.sessions
        ]

    def handle_transition(self, event: TransitionEvent) -> None:
        """Take a transition."""

    def handle_outage(self, outage: Outage) -> None:
        """Take an outage."""

    def plan(self, context: PollContext) -> float:
        """Poll every five seconds."""
        return 5.0

    async def follow(self) -> None:
        """Read the first states; leave one watch in its loop, one awaited, one in between."""
        for watch in self.watches:
            await anext(watch)
        self.waits = [
            asyncio.ensure_future(anext(self.watches[1])),
            asyncio.ensure_future(self.sessions[2].wait()),
        ]
        await pass_time(0)


def ignore(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Take no notice of a task that has not ended."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dropped_client_is_freed() -> None:
    """A client that is dropped with its loop is freed, although it watches, is awaited, and is led back to."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(ignore)
    program = Program()
    loop.run_until_complete(program.follow())
    loop.close()
    freed = weakref.ref(program.heygen)
    del program, loop
    gc.collect()

    assert freed() is None


async def test_sessions_that_are_due_are_counted() -> None:
    """What waits for a free connection is due, and what is being read is not."""
    async with make_client(Silent()) as heygen:
        tasks = await begin(heygen, wait, 0)
        now = heygen.statistics()
        await end(tasks)

    assert (COUNT, 2, COUNT - 2) == (now.watched, now.in_flight, now.due)
