"""Webhooks and polls together: an event brings a look forward, and never becomes a state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import pytest

from flow.parties import clock, pass_time
from heygen_async import HeyGen, UnverifiedEvent, WebhookEvent
from heygen_async.testing import Scenario, Simulator
from heygen_async.webhooks import parse_unverified

if TYPE_CHECKING:
    from heygen_async import Session

RENDERING = Scenario.generate().timed(thinking=5, generating=600)


def told(session: Session | str, kind: str = "video_agent.success", **data: object) -> WebhookEvent:
    """Return an event about a session, as verified."""
    session_id = session if isinstance(session, str) else session.id
    return WebhookEvent(id=f"evt_{session_id}", type=kind, data={"session_id": session_id, **data})


def rumour(session_id: str) -> UnverifiedEvent:
    """Return what anybody can say of a session."""
    body = {"event_type": "video_agent.success", "event_data": {"session_id": session_id, "status": "failed"}}
    return parse_unverified(json.dumps(body).encode())


@pytest.fixture
def service() -> Simulator:
    """A service that renders for ten minutes."""
    return Simulator(max_jobs=10_000, scenario=RENDERING)


async def render(heygen: HeyGen, *, notified: bool = True) -> tuple[float, int]:
    """Have one session rendered; return how late its end was known, and the looks it took."""
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    ends, before = clock() + 605, heygen.statistics()
    async with anyio.create_task_group() as group:
        if notified:
            group.start_soon(notify_at, heygen, ends + 0.05, told(session))
        await session.wait(until=["completed"])
        late = clock() - ends
        group.cancel_scope.cancel()
    after = heygen.statistics()
    return late, after.polls + after.bulk_polls - before.polls - before.bulk_polls


async def notify_at(heygen: HeyGen, moment: float, event: WebhookEvent | UnverifiedEvent) -> None:
    """Take an event at a moment."""
    await pass_time(moment - clock())
    heygen.notify(event)


async def test_an_event_is_a_look_now(heygen: HeyGen) -> None:
    """With a webhook, the end of a rendering is known within 100 ms of the event."""
    late, _ = await render(heygen)

    assert late <= 0.05 + 0.1


async def test_polling_relies_on_a_webhook_that_works(heygen: HeyGen) -> None:
    """Once webhooks have told the ends of renderings, ten minutes of rendering cost a handful of looks."""
    without = [(await render(heygen, notified=False))[1] for _ in range(3)]
    for _ in range(4):
        await render(heygen)
    late, looks = await render(heygen)

    assert looks <= 10
    assert looks <= min(without) / 2
    assert late <= 0.15


async def test_polling_returns_when_events_cease(heygen: HeyGen) -> None:
    """The first end that no event told is known two minutes late at most, and the next as soon as without webhooks."""
    for _ in range(4):
        await render(heygen)
    first, _ = await render(heygen, notified=False)
    second, looks = await render(heygen, notified=False)

    assert first <= 140
    assert second <= 60
    assert looks > 10
