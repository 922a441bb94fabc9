"""
What a user sees of each fault: the table `tests/fault_table.md`, made from runs against the simulator.

`PYTHONPATH=tests python tests/sessions/fault_table.py` writes it; a test fails when it is out of date.
"""

from __future__ import annotations

import atexit
import functools
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from heygen_async import HeyGen, HeyGenError, Session, Video
from heygen_async.testing import FAULTS, Fault, MemoryTransport, Scenario, Simulator, run
from hostile.table import table as dial_table

TABLE: Final = pathlib.Path(__file__).parent.parent / "fault_table.md"
MISSING: Final = ""
DONE: Final = "done"
FOLDER: Final = tempfile.mkdtemp()
PATIENCE: Final = 600.0  # seconds a session gets in which a fault is always at work
HEAD: Final = """\
# What a user sees of each fault

Made by `PYTHONPATH=tests python tests/sessions/fault_table.py` from runs against the simulator, whose service ignores
idempotency keys on the Video Agent calls; `tests/sessions/test_fault_table.py` fails when it is out of date.

Each cell tells how the call ends when the fault strikes **once** / when it strikes **always**: `done`, or the class
of the error. An empty cell: the fault cannot strike there. A fault that changes a session for good (stale status,
vanished session, ...) is shown by the way to the finished video.
"""

atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


@dataclass(frozen=True)
class Column:
    """One call of the user, and the operation the fault strikes."""

    title: str
    operation: str
    act: Callable[[HeyGen, Session], Awaitable[object]]
    is_conversation: bool = False


async def _create(heygen: HeyGen, _session: Session) -> Session:
    return await heygen.sessions.create("Another video", mode="generate")


async def _send(_heygen: HeyGen, session: Session) -> Session:
    await session.send("Looks good, go ahead.")
    return session


async def _refresh(_heygen: HeyGen, session: Session) -> Session:
    await session.refresh()
    return session


async def _list(heygen: HeyGen, _session: Session) -> object:
    return [summary async for summary in heygen.sessions.list()]


async def _video(heygen: HeyGen, session: Session) -> object:
    return await heygen.videos.get((await _finished(session)).id)


async def _videos(_heygen: HeyGen, session: Session) -> object:
    return [video async for video in session.videos()]


async def _statuses(heygen: HeyGen, _session: Session) -> object:
    return await heygen.videos.statuses(["vid_1"])


async def _download(_heygen: HeyGen, session: Session) -> object:
    return await (await _finished(session)).download(f"{FOLDER}/{uuid.uuid4().hex}.mp4")


async def _finished(session: Session) -> Video:
    return await session.video(timeout=PATIENCE)


COLUMNS: Final = (
    Column("`sessions.create`", "create", _create, is_conversation=True),
    Column("`session.send`", "send", _send, is_conversation=True),
    Column("`session.stop`", "stop", lambda _heygen, session: session.stop()),
    Column("`session.refresh`", "get", _refresh, is_conversation=True),
    Column("`session.wait`", "get", lambda _heygen, session: session.wait(timeout=PATIENCE)),
    Column("`sessions.list`", "list", _list),
    Column("`session.videos`", "videos", _videos),
    Column("`videos.get`", "video", _video),
    Column("`videos.statuses`", "statuses", _statuses),
    Column("`video.download`", "media", _download),
)


def fits(fault: Fault, column: Column) -> bool:
    """Whether the fault can strike the operation in a way this column shows."""
    if fault.stage == "session" and not column.is_conversation:
        return False
    return column.operation in fault.on


@functools.cache
def ending(fault: Fault, column: Column, times: int | None) -> str:
    """Return how the call ends under the fault: `done` or the name of the error. Other errors are not caught."""
    return run(_ending, fault, column, times)


async def _ending(fault: Fault, column: Column, times: int | None) -> str:
    service = Simulator(idempotency="ignored", scenario=_scenario(column))
    service.storage.video = bytes(2_000)  # a trickle of it is over some day
    transport = MemoryTransport(service)
    async with HeyGen("test-key", base_url=service.base_url, http=transport) as heygen:
        session = await heygen.sessions.create("A video")
        if column.operation == "send":
            await session.wait()
        service.faults.add(fault.name, on=column.operation, times=times)
        try:
            result = await column.act(heygen, session)
            if fault.stage == "session" and isinstance(result, Session):
                await result.video(timeout=PATIENCE)
        except HeyGenError as error:
            return type(error).__name__
    return DONE


def _scenario(column: Column) -> Scenario:
    return Scenario.chat() if column.operation == "send" else Scenario.generate()


def cell(fault: Fault, column: Column) -> str:
    """Return what the table says of a fault in a call."""
    if not fits(fault, column):
        return MISSING
    once, always = (ending(fault, column, times) for times in (1, None))
    return once if once == always else f"{once} / {always}"


def row(fault: Fault) -> str:
    """Return the table's line of a fault."""
    return _line([f"`{fault.name}`", *(cell(fault, column) for column in COLUMNS)])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def shown(faults: Mapping[str, Fault] = FAULTS) -> Iterator[Fault]:
    """Yield the faults that strike one of the calls."""
    for fault in faults.values():
        if any(fits(fault, column) for column in COLUMNS):
            yield fault


def table() -> str:
    """Return the file but for what the dials of the hostile service do."""
    head = [_line(["fault", *(column.title for column in COLUMNS)]), _line(["---"] * (len(COLUMNS) + 1))]
    return "\n".join([HEAD, *head, *map(row, shown())]) + "\n"


if __name__ == "__main__":
    TABLE.write_text(f"{table()}\n{dial_table()}", encoding="utf-8")
