"""
A service at its worst and a client in the middle of it, from one seed.

`lives` sends sessions from the prompt to the video, `cut_short` cancels creates at random moments. Both end with the
books: what the service made against what the client knows.
"""
# ruff: noqa: TID251 - a storm owns the time of its loop

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from heygen_async import (
    Approve,
    HeyGen,
    HeyGenError,
    OutcomeUnknown,
    Reply,
    Session,
    SessionError,
    SessionState,
    SessionStatus,
)
from heygen_async.testing import FAULTS, MemoryTransport, Scenario, Simulator

if TYPE_CHECKING:
    from heygen_async.testing._service.state import Idempotency

RATE = 0.2  # of all exchanges; some strike nothing, and more than a tenth must fail
GALE = 0.5  # for creates that are cancelled: what matters are those that were in trouble
AT_ONCE = 250
TWINS = 4  # every tenth prompt is used by so many creates at once
SOMEDAY = 3600.0  # seconds after which nothing moves any more


@dataclass
class Books:
    """What a storm did, and what was left when it was over."""

    seed: int
    service: Simulator
    asked: Counter[str] = field(default_factory=Counter[str])
    known: set[str] = field(default_factory=set[str])
    ends: Counter[str] = field(default_factory=Counter[str])
    nameless: list[str] = field(default_factory=list[str])
    retries: int = 0

    @property
    def struck(self) -> float:
        """Share of exchanges that failed or came back wrong; what faults did to sessions comes on top."""
        faults = self.service.ledger.faults
        wire = sum(count for name, count in faults.items() if FAULTS[name].stage != "session")
        return wire / self.service.ledger.total_requests

    @property
    def paid_twice(self) -> int:
        """Sessions beyond those asked for; identical creates may take each other's, so prompts are counted."""
        made = Counter(record.prompt for record in self.service.ledger.creates)
        return sum(max(0, count - self.asked[prompt]) for prompt, count in made.items())

    @property
    def unknown(self) -> list[str]:
        """Sessions the client cannot name."""
        return [one for one in self.service.ledger.sessions if one not in self.known]

    def record(self, error: HeyGenError, session: Session | None) -> None:
        """Record how a life ended that did not end with a video."""
        self.ends[type(error).__name__] += 1
        named = set(error.candidates) if isinstance(error, OutcomeUnknown) else set[str]()
        named |= {error.session_id} if isinstance(error, SessionError) else set()
        self.known |= named
        notes = " ".join(getattr(error, "__notes__", ()))
        if session is not None and session.id not in named and session.id not in notes:
            self.nameless.append(repr(error))

    def __str__(self) -> str:
        ledger = self.service.ledger
        ends = ", ".join(f"{count} {name}" for name, count in self.ends.most_common())
        return (
            f"seed {self.seed}: {ledger.total_requests:,} exchanges, {self.struck:.1%} struck, "
            f"{self.retries:,} retries; {len(ledger.creates):,} sessions: {ends}; paid twice "
            f"{self.paid_twice}, sent twice {ledger.duplicate_messages}, unknown {len(self.unknown)}"
        )


def opened(seed: int, idempotency: Idempotency, rate: float) -> tuple[Books, HeyGen]:
    """Return a service in a storm and its client."""
    service = Simulator(seed=seed, idempotency=idempotency, max_jobs=1_000_000)
    service.script(Scenario.question(), prompt="unsure")
    service.script(Scenario.failing("generating", mode="chat"), prompt="doomed")
    # A service that ignores keys cannot know that one is in use.
    unknown = "in_progress" if idempotency == "ignored" else ""
    weather = tuple(name for name, fault in FAULTS.items() if fault.survivable and name != unknown)
    service.faults.mix(rate, seed=seed, only=weather)
    heygen = HeyGen(
        "test-key",
        base_url=service.base_url,
        http=MemoryTransport(service, latency=0.2),
        rng=random.Random(seed),
    )
    return Books(seed, service), heygen


def prompts(count: int, dice: random.Random) -> list[str]:
    """Return what is asked for: some easy, some unsure, some doomed, some several times over."""
    asked: list[str] = []
    while len(asked) < count:
        kind = dice.choice(("easy", "easy", "easy", "unsure", "doomed"))
        copies = TWINS if dice.random() < 0.1 else 1
        asked += [f"A {kind} video, number {len(asked)}"] * copies
    return asked[:count]


def review(_session: Session, state: SessionState) -> Reply | Approve:
    """Answer a question, revise once, then approve."""
    if state.status == SessionStatus.WAITING_FOR_INPUT:
        return Reply(message="Newcomers, please.")
    sent = sum(message.role == "user" for message in state.messages)
    return Reply(message="Warmer, please.") if sent < 2 else Approve()


async def lives(count: int, *, seed: int, idempotency: Idempotency) -> Books:
    """Lead so many sessions from the prompt to the video, a few hundred at a time."""
    books, heygen = opened(seed, idempotency, RATE)
    dice, room = random.Random(seed), anyio.Semaphore(AT_ONCE)

    async def live(prompt: str) -> None:
        session = None
        try:
            session = await heygen.sessions.create(prompt)
            books.known.add(session.id)
            await session.converse(review)
            books.ends["Video"] += 1
        except HeyGenError as error:
            books.record(error, session)
        finally:
            room.release()

    async with heygen, anyio.create_task_group() as group:
        for prompt in prompts(count, dice):
            await room.acquire()
            books.asked[prompt] += 1
            group.start_soon(live, prompt)
    books.retries = heygen.statistics().retries
    return books


async def cut_short(count: int, *, seed: int, idempotency: Idempotency) -> Books:
    """Cancel so many creates at random moments, most while their fate is open."""
    books, heygen = opened(seed, idempotency, GALE)
    dice = random.Random(seed)

    async def create(prompt: str) -> None:
        try:
            books.known.add((await heygen.sessions.create(prompt)).id)
            books.ends["Session"] += 1
        except HeyGenError as error:
            books.record(error, None)

    async def cut(prompt: str, moment: float) -> None:
        task = asyncio.ensure_future(create(prompt))
        await asyncio.sleep(moment)
        task.cancel()
        await asyncio.wait({task})
        books.ends["Cancelled"] += task.cancelled()

    async with heygen:
        async with anyio.create_task_group() as group:
            for number in range(count):
                prompt = f"A cancelled video, number {number:03}"  # none is the beginning of another
                books.asked[prompt] += 1
                group.start_soon(cut, prompt, dice.choice((0.3, 1.0, 15.0)) * dice.random())
        await anyio.sleep(SOMEDAY)
        orphans = heygen.sessions.orphans
    books.known |= {session.id for session in orphans}
    books.ends["Orphan"] = len(orphans)
    books.retries = heygen.statistics().retries
    return books
