"""
What a user does, in five flows; each thing that costs money is claimed by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from heygen_async import Approve, HeyGenError, Job, Reply
from hostile.claims import Claim, Claims
from hostile.dials import Echo, Hides, History, Write
from hostile.texts import APPROVAL, ATTACHMENT, EARLIER_PROMPT, OTHER_PROMPT, PROMPT, REVISION

if TYPE_CHECKING:
    from heygen_async import HeyGen, Session, SessionState
    from hostile.service import Service

T = TypeVar("T")

JOBS = {"job-1": PROMPT, "job-2": OTHER_PROMPT, "job-3": PROMPT}


class Flow(StrEnum):
    """What the user does."""

    CREATE = "create"
    SEND = "send"
    APPROVE = "approve"
    CONVERSE = "converse"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Scene:
    """A client, the service it talks to, and what it says."""

    heygen: HeyGen
    service: Service
    claims: Claims
    now: Callable[[], float]

    async def claim(self, intent: str, text: str, act: Callable[[], Awaitable[T]]) -> T | None:
        """Do something and record what came of it; None when it failed."""
        claim = Claim(intent, text)
        self.claims.claims.append(claim)
        try:
            return await act()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
            claim.error = error
            return None

    @property
    def files(self) -> list[str]:
        """What is attached."""
        return [ATTACHMENT] if self.service.dials.echo is Echo.ATTACHMENTS else []

    @property
    def incognito_mode(self) -> bool | None:
        """How sessions are made."""
        return True if self.service.dials.hides is Hides.INCOGNITO else None

    async def create(self, prompt: str = PROMPT) -> Session:
        """Make the session that all is about."""
        return await self.heygen.sessions.create(
            prompt, idempotency_key="the-create", files=self.files, incognito_mode=self.incognito_mode
        )

    async def pass_time(self, times: float) -> None:
        """Let some multiple of the agent's pace go by."""
        await asyncio.sleep(times * self.service.pace.settle)


async def play(flow: Flow, scene: Scene) -> None:
    """Play a flow to its end; what is wrong with it is in the claims and the ledger."""
    await {
        Flow.CREATE: _create,
        Flow.SEND: _send,
        Flow.APPROVE: _approve,
        Flow.CONVERSE: _converse,
        Flow.BATCH: _batch,
    }[flow](scene)


async def _create(scene: Scene) -> None:
    await scene.claim("scene", "", lambda: _earlier(scene))
    scene.service.arm()
    before = _reads(scene)
    session = await scene.claim("create", PROMPT, scene.create)
    scene.claims.reads = _reads(scene) - before
    if session is not None:
        scene.claims.claims[-1].session_id = session.id
        await _pause(scene, session)


async def _send(scene: Scene) -> None:
    session = await scene.claim("scene", "", lambda: _paused(scene))
    if session is None:
        return
    before = _reads(scene)
    sent = await scene.claim(
        "send", REVISION, lambda: session.send(REVISION, files=scene.files, idempotency_key="the-send")
    )
    scene.claims.reads = _reads(scene) - before
    scene.claims.claims[-1].session_id = session.id
    if sent is not None:
        await _pause(scene, session)


async def _approve(scene: Scene) -> None:
    session = await scene.claim("scene", "", lambda: _paused(scene))
    if session is None:
        return
    sent = await scene.claim(
        "approve", APPROVAL, lambda: session.approve(APPROVAL, idempotency_key="the-approval")
    )
    scene.claims.claims[-1].session_id = session.id
    if sent is not None:
        await scene.claim("video", APPROVAL, session.video)


async def _converse(scene: Scene) -> None:
    await scene.claim("scene", "", lambda: _earlier(scene))
    scene.service.arm()
    session = await scene.claim("create", PROMPT, scene.create)
    if session is not None:
        scene.claims.claims[-1].session_id = session.id
        await scene.claim("converse", "", lambda: session.converse(Reviewer()))


async def _batch(scene: Scene) -> None:
    await scene.claim("scene", "", lambda: _earlier(scene))
    scene.service.arm()
    jobs = [
        Job(
            prompt,
            key,
            idempotency_key=f"the-{key}",
            files=scene.files,
            incognito_mode=scene.incognito_mode,
            reviewer=Reviewer(),
        )
        for key, prompt in JOBS.items()
    ]
    async with scene.heygen.batch(jobs) as run:
        async for outcome in run:
            claim = Claim(outcome.key, JOBS[outcome.key], outcome.session_id, outcome.error)
            scene.claims.claims.append(claim)


class Reviewer:
    """Asks for one revision and approves what comes of it."""

    def __init__(self) -> None:
        self._answers = 0

    def __call__(self, session: Session, state: SessionState) -> Reply | Approve:
        """Answer one pause."""
        self._answers += 1
        return Reply(message=REVISION) if self._answers == 1 else Approve(message=APPROVAL)


async def _earlier(scene: Scene) -> None:
    """Let the client have seen how the service behaves."""
    if scene.service.dials.history is History.SEASONED:
        for minutes in (30.0, 0.3):  # of settle_time
            session = await scene.heygen.sessions.create(EARLIER_PROMPT, files=scene.files)
            await scene.pass_time(minutes)
            with suppress(HeyGenError):
                await session.refresh()


async def _paused(scene: Scene) -> Session:
    """Return a session whose storyboard the user has read for a while; from now on things break."""
    session = await scene.create()
    await session.wait()
    await scene.pass_time(1)
    scene.service.arm()
    return session


async def _pause(scene: Scene, session: Session) -> None:
    """Wait for the agent's next question, which must be a new one."""
    state = await scene.claim("pause", "", session.wait)
    if state is not None and not getattr(state, "is_stale", False):
        truth = scene.service.ledger.sessions.get(session.id)
        scene.claims.claims[-1].is_early = truth is None or not truth.is_paused(scene.now())


def _reads(scene: Scene) -> int:
    requests = scene.service.ledger.requests
    return requests["list"] + requests["session"]


WRITES = {
    Flow.CREATE: (Write.CREATE,),
    Flow.SEND: (Write.SEND,),
    Flow.APPROVE: (Write.APPROVE,),
    Flow.CONVERSE: tuple(Write),
    Flow.BATCH: tuple(Write),
}
