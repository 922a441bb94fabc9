"""Events about sessions, and what they do to looking at them."""

from __future__ import annotations

import json

import anyio

from flows import clock, pass_time
from heygen_async import HeyGen, Session, UnverifiedEvent, WebhookEvent
from heygen_async.testing import Scenario
from heygen_async.webhooks import parse_unverified

RENDERING = Scenario.generate().timed(thinking=5, generating=600)


def told(session_id: str | None, video_id: str | None = None) -> WebhookEvent:
    """An event about a session, as verified."""
    return WebhookEvent(
        id="evt_1", type="video_agent.success", data={"session_id": session_id, "video_id": video_id}
    )


def rumour(session_id: str, video_id: str | None = None) -> UnverifiedEvent:
    """What anybody can say of a session."""
    data = {"session_id": session_id, "video_id": video_id, "status": "failed"}
    return parse_unverified(json.dumps({"event_type": "video_agent.fail", "event_data": data}).encode())


def looks(heygen: HeyGen) -> int:
    """How many polls a client has made."""
    done = heygen.statistics()
    return done.polls + done.bulk_polls


async def notify_at(heygen: HeyGen, moment: float, event: WebhookEvent | UnverifiedEvent) -> None:
    """Take an event at a moment."""
    await pass_time(moment - clock())
    heygen.notify(event)


async def render(
    heygen: HeyGen, *, event_after: float | None = 0.0, to: HeyGen | None = None
) -> tuple[float, int]:
    """Have one session rendered; return how late its end was known, and the polls it took. Events go to `to`."""
    before = looks(heygen)
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    ends = clock() + 605
    async with anyio.create_task_group() as group:
        if event_after is not None:
            group.start_soon(notify_at, to or heygen, ends + event_after, told(session.id))
        await session.wait(until=["completed"])
    return session_known(session, ends), looks(heygen) - before


def session_known(session: Session, ends: float) -> float:
    """Seconds between the end of a session and the poll that found it."""
    return session._track.since - ends
