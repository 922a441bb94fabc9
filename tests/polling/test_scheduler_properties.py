"""Random watchers of random sessions in bad weather: whoever waits is told in time, and nothing is left behind."""

from __future__ import annotations

import json
import random
from typing import Any

import anyio
import pytest

from flows import Line, client, clock, pass_time, tasks
from heygen_async import Cadence, HeyGen, HeyGenError, Session, SessionState
from heygen_async.testing import MemoryAnswer, Scenario, Simulator
from heygen_async.testing._transports.memory import Outgoing
from heygen_async.webhooks import parse_unverified

PLACES = 2
TROUBLE = 300.0  # seconds of bad weather
PAUSE = 10.0  # seconds the service asks for at most
LONGEST = 750.0  # seconds to the last session's end and the rarest poll after it
GRACE = 5.1  # seconds in which the poll made at a deadline may be late
WALKS = 12  # with every run of the tests
MANY_WALKS = 200


class Weather(Line):
    """A line on which reads fail in every way while the weather is bad."""

    def __init__(self, service: Simulator, rng: random.Random) -> None:
        super().__init__(service, latency=1.0)  # slow enough that the places are all taken at times
        self.rng = rng
        self.clears_at = 0.0
        self.has_statuses = rng.random() < 0.7

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on, if it gets through."""
        if request.method != "GET":
            return await super().send(request)
        return self.trouble(request) or await super().send(request)

    def trouble(self, request: Outgoing) -> MemoryAnswer | None:
        """Return what comes instead of the answer; None when that gets through."""
        if "statuses" in request.url and not self.has_statuses:
            return MemoryAnswer(404, {}, b"{}")
        if clock() > self.clears_at or self.rng.random() > 0.2:
            return None
        pace = {"retry-after": f"{self.rng.uniform(1, PAUSE):.1f}"}
        return self.rng.choice(
            [
                MemoryAnswer(429, pace, b"{}"),
                MemoryAnswer(500, {}, b"{}"),
                MemoryAnswer(503, pace, b"<html>"),
                MemoryAnswer(200, {}, b"<html>"),
            ]
        )


class Walk:
    """One random history of one client's watches."""

    def __init__(self, heygen: HeyGen, rng: random.Random, sessions: list[Session]) -> None:
        self.heygen = heygen
        self.rng = rng
        self.sessions = sessions

    def options(self) -> dict[str, Any]:
        """Draw what a watch wants."""
        own = Cadence.constant(self.rng.uniform(0.5, 120))
        return {
            "timeout": self.rng.choice([None, self.rng.uniform(1, 300)]),
            "cadence": self.rng.choice([None, None, own]),
            "stall_timeout": self.rng.choice([None, 2_000.0]),
            "progress": self.rng.random() < 0.3,
        }

    async def watch(self, session: Session) -> None:
        """Watch to the end, the deadline or a whim; a deadline is told within the grace of the last poll."""
        options, began = self.options(), clock()
        last: SessionState | None = None
        try:
            async for state in session.watch(**options):
                last = state
                if self.rng.random() < 0.1:
                    return
            assert last is not None
            assert last.status.is_terminal
        except HeyGenError:
            assert options["timeout"] is not None  # alone its deadline may end it: the trouble is too short
            assert 0 <= clock() - began - options["timeout"] + 1e-9 <= GRACE

    async def watch_for_a_while(self, session: Session) -> None:
        """Give up at some time."""
        with anyio.move_on_after(self.rng.expovariate(0.1)):
            await self.watch(session)

    async def refresh(self, session: Session) -> None:
        """Read it aside."""
        with anyio.move_on_after(PAUSE):
            await session.refresh()

    async def hear(self, session: Session) -> None:
        """Hear an event about it."""
        event = {"event_type": "video_agent.success", "event_data": {"session_id": session.id}}
        self.heygen.notify(parse_unverified(json.dumps(event).encode()))

    async def live(self) -> None:
        """Come and go at random; return when nobody waits any more."""
        deeds = [self.watch, self.watch, self.watch_for_a_while, self.refresh, self.hear]
        async with anyio.create_task_group() as group:
            until = clock() + TROUBLE
            while clock() < until:
                await pass_time(self.rng.expovariate(0.5))
                assert PLACES >= self.heygen.statistics().in_flight
                group.start_soon(self.rng.choice(deeds), self.rng.choice(self.sessions))


SEEDS = [*range(WALKS), *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(WALKS, MANY_WALKS))]


@pytest.mark.parametrize("seed", SEEDS)
async def test_walk(seed: int) -> None:
    """Whatever the weather, whoever comes and goes: each watch ends as it should, and no poll or record stays."""
    rng, before = random.Random(seed), tasks()
    scenario = Scenario.generate().timed(thinking=30, generating=rng.uniform(60, 500))
    line = Weather(Simulator(max_jobs=100, scenario=scenario), rng)
    rate = rng.choice([None, 2.0])
    async with client(line, max_connections=PLACES, requests_per_second=rate) as heygen:
        sessions = [await heygen.sessions.create(f"Film {n}", mode="generate") for n in range(12)]
        line.clears_at = clock() + TROUBLE
        with anyio.fail_after(LONGEST):
            await Walk(heygen, rng, sessions).live()
        await pass_time(PAUSE)

        after = heygen.statistics()
        assert (0, 0, 0, 0) == (after.watchers, after.watched, after.due, after.in_flight)
        assert before == tasks()
