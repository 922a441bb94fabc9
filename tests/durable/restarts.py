"""
Rows of the hostile service in which a durable batch's process dies at a paid call, and the next one goes on.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pathlib
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from heygen_async import Approve, Cadence, HeyGen, Job, Reply, Timeouts
from heygen_async._http.aiohttp_transport import open_transport
from heygen_async.durable import DurableBatch
from heygen_async.durable._repository import Repository
from hostile.agent import Pace
from hostile.claims import Claim, Claims, logging_to
from hostile.covering import Array
from hostile.dials import (
    DateHeader,
    Dials,
    Echo,
    Keys,
    Leaving,
    ListLag,
    Offset,
    Replicas,
    Symptom,
    When,
    Write,
)
from hostile.flows import Flow
from hostile.play import Row, Run, policy
from hostile.service import Service
from hostile.sockets import listening
from hostile.texts import APPROVAL, PROMPT, REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from multiprocessing.connection import Connection

    from heygen_async import Session, SessionState
    from heygen_async._http.transport import Request, Response, ResponseStream, Transport

# The agent has answered a revision before the next process reads the session: then only messages show that it was sent.
# It writes for more than a second: of one second, a prompt and a message shown without words would be one message.
PACE: Final = Pace(settle=2.0, answer=0.0, write=1.1, revise=0.5, render=1.5)
LIMIT: Final = 3.0  # seconds for one exchange
LONGEST: Final = 120.0  # seconds of a process; it is killed then


class Death(StrEnum):
    """When the process dies."""

    UNSENT = "unsent"  # before the request leaves
    UNREAD = "unread"  # when the answer is here, before it is read
    UNRECORDED = "unrecorded"  # when it is in the job's row, before the engine has its checkpoint
    SEARCHING_DONE = "searching-done"  # the answer broke, and it is being found out what became of the write
    SEARCHING_UNDONE = "searching-undone"


@dataclass(frozen=True, slots=True)
class Fate:
    """When the first process dies, and at which paid call."""

    death: Death
    write: Write


@dataclass(frozen=True, slots=True)
class Restart:
    """A service, and the end of the first process that meets it."""

    fate: Fate
    dials: Dials

    def __str__(self) -> str:
        return f"{self.fate.death} {self.fate.write} {self.dials}"

    @property
    def judged(self) -> Row:
        """
        The row by whose evidence it is judged.

        A death loses an answer. By the next read the agent may have come back to a pause, as after a stalled answer.
        """
        lost = Symptom.LOST if self.fate.write is Write.CREATE else Symptom.STALL
        symptom = Symptom.NONE if self.fate.death is Death.UNRECORDED else lost
        is_done = self.fate.death in {Death.UNREAD, Death.SEARCHING_DONE}
        when = When.AFTER if is_done else When.BEFORE
        return Row(Flow.CONVERSE, replace(self.dials, write=self.fate.write, symptom=symptom, when=when))


def restarts() -> list[Restart]:
    """Return restarts in which every two values occur, and a revision whose answer is lost under every echo."""
    values: dict[str, tuple[Any, ...]] = {
        "death": tuple(Death),
        "write": tuple(Write),
        "list_lag": (ListLag.NONE, ListLag.BELOW, ListLag.BEYOND, ListLag.HOUR),
        "echo": (Echo.EXACT, Echo.LF, Echo.NFD, Echo.HTML, Echo.CUT, Echo.EMPTY),
        "offset": (Offset.NONE, Offset.BEHIND_10_MIN, Offset.AHEAD_5_H),
        "date": tuple(DateHeader),
        "keys": (Keys.NEVER, Keys.ALWAYS, Keys.IN_PROGRESS),
        "replicas": (Replicas.ONE, Replicas.FLIP),
    }
    pairs = [_restart(row) for row in Array(values, _is_sensible, 2, random.Random(1)).rows()]
    revised = Fate(Death.UNREAD, Write.SEND)
    return pairs + [Restart(revised, Dials(echo=echo, leaving=Leaving.AT_ONCE)) for echo in values["echo"]]


def _is_sensible(row: Mapping[str, Any]) -> bool:
    return row["write"] is Write.CREATE or row["list_lag"] is ListLag.NONE


def _restart(row: Mapping[str, Any]) -> Restart:
    dials = {name: value for name, value in row.items() if name not in {"death", "write"}}
    fate = Fate(row["death"], row["write"])
    if fate.death in {Death.SEARCHING_DONE, Death.SEARCHING_UNDONE}:
        when = When.AFTER if fate.death is Death.SEARCHING_DONE else When.BEFORE
        dials |= {"write": fate.write, "symptom": Symptom.LOST, "when": when}
    return Restart(fate, Dials(leaving=Leaving.AT_ONCE, **dials))


async def play(restart: Restart, folder: pathlib.Path) -> Run:
    """Let a process die as it must and another one end the batch; return what both did."""
    service = Service(restart.dials, PACE)
    service.arm()
    async with listening(service) as address:
        work = partial(_work, address, str(folder), restart.dials)
        died, claims = await anyio.to_thread.run_sync(_run, work, restart.fate)
        assert claims is None
        assert died == -signal.SIGKILL
        _, claims = await anyio.to_thread.run_sync(_run, work, None)
    return Run(restart.judged, service, claims or Claims(is_stuck=True))


def _run(
    work: Callable[[Fate | None, Connection], None], fate: Fate | None
) -> tuple[int | None, Claims | None]:
    """Run a process to its end; return its exit code and what it claims, if it came so far."""
    # Forked from a process that has imported all of this: a fresh one takes seconds.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "heygen_async.durable._connection"])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(fate, there))
    process.start()
    there.close()
    try:
        claims: Claims | None = here.recv() if here.poll(LONGEST) else None
    except EOFError:
        claims = None
    if claims is None and process.is_alive():
        process.join(1)
        process.terminate()
    process.join()
    return process.exitcode, claims


# -- in the process --


def _work(address: str, folder: str, dials: Dials, fate: Fate | None, results: Connection) -> None:
    claims = Claims()
    with logging_to(claims.log):
        asyncio.run(_end_batch(address, pathlib.Path(folder), dials, fate, claims))
    results.send(claims)


async def _end_batch(
    address: str, folder: pathlib.Path, dials: Dials, fate: Fate | None, claims: Claims
) -> None:
    timeouts = Timeouts(connect=LIMIT, read=LIMIT, write=LIMIT, settle=4.0, stale=20.0)
    http = open_transport(None, timeouts=timeouts, max_connections=100)
    heygen = HeyGen(
        "a-key",
        base_url=address,
        http=http if fate is None else Deadly(http, fate),
        timeouts=timeouts,
        retry=policy(dials, settle_time=PACE.settle, base=0.1, longest=0.6, max_elapsed=40.0),
        cadence=Cadence.constant(0.25),
    )
    batch = DurableBatch(
        f"sqlite:///{folder / 'batch.db'}",
        name="spring",
        reviewer=Reviewer(folder / "answers"),
        heygen=heygen,
        poll_interval=0.1,
    )
    async with heygen, batch:
        await batch.submit([Job(PROMPT, "job-1", mode="chat")])
        async for outcome in batch.outcomes():
            created = Claim("create", PROMPT, outcome.session_id)
            claims.claims.append(created)
            if outcome.session_id is None:
                created.error = outcome.error
            else:
                claims.claims.append(Claim("converse", "", outcome.session_id, outcome.error))
        claims.orphans = tuple(session.id for session in heygen.sessions.orphans)


class Reviewer:
    """Asks for one revision and approves what comes of it; a file remembers, as a person would."""

    def __init__(self, answers: pathlib.Path) -> None:
        self._answers = answers

    def __call__(self, session: Session, state: SessionState) -> Reply | Approve:
        """Answer one pause."""
        if self._answers.exists():
            return Approve(message=APPROVAL)
        self._answers.touch()
        return Reply(message=REVISION)


class Deadly:
    """A transport that kills its process."""

    def __init__(self, inner: Transport, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate
        self._newest: Write | None = None
        if fate.death is Death.UNRECORDED:
            self._die_after("own" if fate.write is Write.CREATE else "record_answer")

    async def send(self, request: Request) -> Response:
        """Exchange one request, or die before, after or instead."""
        write = _write_of(request)
        is_due = self._newest is self._fate.write
        if is_due and write is None and self._fate.death in {Death.SEARCHING_DONE, Death.SEARCHING_UNDONE}:
            _die()
        self._newest = write or self._newest
        is_due = write is self._fate.write
        if is_due and self._fate.death is Death.UNSENT:
            _die()
        answer = await self._inner.send(request)
        if is_due and self._fate.death is Death.UNREAD:
            _die()
        return answer

    def _die_after(self, name: str) -> None:
        record: Callable[..., Any] = getattr(Repository, name)

        def record_and_die(*args: object, **options: object) -> object:
            recorded = record(*args, **options)
            if self._newest is self._fate.write:
                _die()
            return recorded

        setattr(Repository, name, record_and_die)

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        """Open an answer as a stream."""
        return self._inner.stream(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def _write_of(request: Request) -> Write | None:
    if request.method != "POST":
        return None
    if request.url.endswith("/video-agents"):
        return Write.CREATE
    assert isinstance(request.body, bytes)
    return Write.APPROVE if b"I approve" in request.body else Write.SEND


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
