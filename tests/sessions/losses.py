"""A service that loses answers, many callers who want the same, and the count of what came of it."""

from __future__ import annotations

import anyio
import pytest

from heygen_async import HeyGen, HeyGenError, Session
from heygen_async.testing import Simulator

PROMPT = "An intro to our espresso machine"

each = pytest.mark.parametrize
both_services = each("idempotency", ["honoured", "ignored"])


def served(idempotency: str = "ignored", **options: object) -> Simulator:
    """Return a service that honours keys on creates, or not."""
    return Simulator(idempotency=idempotency, **options)  # type: ignore[arg-type]


def one_for_each(service: Simulator, sessions: list[Session]) -> None:
    """Fail unless every session of the service was handed out once, and none was made beyond those."""
    assert sorted(service.ledger.sessions) == sorted(session.id for session in sessions)


async def created(heygen: HeyGen, count: int, prompt: str = PROMPT) -> list[Session | HeyGenError]:
    """Create the same session many times at once; return what each call ended with."""
    ends: list[Session | HeyGenError] = []

    async def create() -> None:
        try:
            ends.append(await heygen.sessions.create(prompt))
        except HeyGenError as error:
            ends.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(create)
    return ends


def sessions_of(ends: list[Session | HeyGenError]) -> list[Session]:
    """Return the sessions; fail if a call ended with an error."""
    assert [] == [end for end in ends if isinstance(end, HeyGenError)]
    return [end for end in ends if isinstance(end, Session)]
