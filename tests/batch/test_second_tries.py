"""Second tries: a job is made again only when that costs nothing twice and may end better."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from batches import EventLog, count_ends, fast_service, make_job, make_jobs, run_jobs
from flows import Line
from heygen_async import Job, Rate, SessionFailed
from heygen_async.testing import MemoryAnswer, Scenario, Simulator

each = pytest.mark.parametrize


class Failing(Line):
    """A line to a service of which chosen sessions, counted from 0, fail in silence."""

    def __init__(self, *numbers: int, at: Any = "thinking") -> None:
        super().__init__(Simulator(idempotency="ignored", max_jobs=50))
        failing = Scenario.failing(at, with_reason=False, mode="generate")
        self._failing = failing.timed(thinking=10, generating=50)
        self._good = Scenario.generate().timed(thinking=10, generating=50)
        self._numbers = numbers

    async def send(self, request: Any) -> MemoryAnswer:
        """Script each session before it is made."""
        if request.method == "POST" and request.url.endswith("/video-agents"):
            fails = len(self.service.ledger.creates) in self._numbers
            self.service.script(self._failing if fails else self._good)
        return await super().send(request)


async def test_an_early_failure_is_made_again() -> None:
    """A session that fails in silence before it has a video is followed by another, which is told in the outcome."""
    line, events = Failing(*range(2)), EventLog()
    [outcome] = await run_jobs(line, [make_job(1)], retry_failed=3, on_event=events)

    assert outcome.ok
    assert 3 == len(line.service.ledger.creates)
    assert line.service.ledger.sessions[:2] == [failure.session_id for failure in outcome.failures]
    assert 3 == len({create.idempotency_key for create in line.service.ledger.creates})
    assert 3 == len(events.of("creating"))
    assert 1 == len(events.of("ended"))
    assert 1 == len(line.service.ledger.billed)


async def test_second_tries_are_counted() -> None:
    """After the last try the failure is the outcome's, with those before it."""
    line = Failing(*range(10))
    [outcome] = await run_jobs(line, [make_job(1)], retry_failed=2)

    assert isinstance(outcome.error, SessionFailed)
    assert 2 == len(outcome.failures)
    assert 3 == len(line.service.ledger.creates)


async def test_without_being_asked_nothing_is_made_again() -> None:
    """By default a failed session is an outcome, once."""
    line = Failing(*range(1))
    [outcome] = await run_jobs(line, [make_job(1)])

    assert isinstance(outcome.error, SessionFailed)
    assert () == outcome.failures
    assert 1 == len(line.service.ledger.creates)


async def test_a_failure_with_a_video_is_not_made_again() -> None:
    """A session that had a video may have been charged, so it is not made again."""
    line = Failing(0, at="generating")
    [outcome] = await run_jobs(line, [make_job(1)], retry_failed=3)

    assert isinstance(outcome.error, SessionFailed)
    assert 1 == len(line.service.ledger.creates)


class Blaming(Line):
    """A line on which every session has failed for a reason of the service's."""

    def __init__(self, service: Simulator, reason: str) -> None:
        super().__init__(service)
        self._reason = reason

    async def send(self, request: Any) -> MemoryAnswer:
        """Say so in place of the service."""
        answer = await super().send(request)
        if request.method != "GET" or "/video-agents/" not in request.url:
            return answer
        data = json.loads(answer.body)["data"]
        message = {"role": "model", "type": "error", "content": self._reason, "created_at": 1}
        data |= {"status": "failed", "video_id": None, "messages": [message]}
        return MemoryAnswer(200, {"content-type": "application/json"}, json.dumps({"data": data}).encode())


@each(
    ("reason", "creates"),
    [
        ("The prompt violates our content policy.", 1),
        ("Insufficient credit to go on.", 1),
        ("The attached file has an unsupported format.", 1),
        ("Something went wrong on our side.", 3),
    ],
    ids=["policy", "credit", "input", "none-of-them"],
)
async def test_a_reason_that_lasts_is_not_met_twice(reason: str, creates: int) -> None:
    """A failure for a reason of policy, credit or input is final; another one is tried again."""
    line = Blaming(fast_service(), reason)
    [outcome] = await run_jobs(line, [make_job(1)], retry_failed=2)

    assert isinstance(outcome.error, SessionFailed)
    assert creates == len(line.service.ledger.creates)


async def test_second_tries_keep_to_the_budget() -> None:
    """A second try is reserved like a first one, and is not made when that does not fit."""
    line = Failing(*range(1))
    jobs = [make_job(1, max_seconds=10)]
    [outcome] = await run_jobs(line, jobs, retry_failed=1, max_spend=1, rate=Rate(per_second=0.1))

    assert outcome.ok
    assert 2 == len(line.service.ledger.creates)


async def test_second_tries_end_when_failures_cost() -> None:
    """Once the wallet fell by more than was delivered and reserved, failed sessions are not made again."""

    class Charging(Failing):
        balance = 100.0

        async def send(self, request: Any) -> MemoryAnswer:
            if request.url.endswith("/users/me"):
                user = {"username": "a", "wallet": {"currency": "usd", "remaining_balance": self.balance}}
                body = json.dumps({"data": user}).encode()
                return MemoryAnswer(200, {"content-type": "application/json"}, body)
            if request.method == "POST" and request.url.endswith("/video-agents"):
                self.balance -= 5
            return await super().send(request)

    line = Charging(*range(5))
    jobs = [make_job(1, max_seconds=10)]
    [outcome] = await run_jobs(line, jobs, retry_failed=5, max_spend=50, rate=Rate(per_second=0.1))

    assert isinstance(outcome.error, SessionFailed)
    assert 1 == len(line.service.ledger.creates)


async def test_a_campaign_with_silent_failures_is_delivered() -> None:
    """With a quarter of early failures, three second tries deliver nearly all, and each is billed once."""
    dice = random.Random(3)
    line = Failing(*(number for number in range(600) if dice.random() < 0.25))
    outcomes = await run_jobs(line, make_jobs(200), retry_failed=3, max_in_flight=50)

    assert count_ends(outcomes)["ok"] >= 196
    assert len(line.service.ledger.billed) == count_ends(outcomes)["ok"]


async def test_a_second_try_is_a_session_of_its_own() -> None:
    """A job that continued an earlier session is made anew, not continued, when that session fails."""
    line, events = Failing(*range(1)), EventLog()
    await run_jobs(line, [make_job(1)], on_event=events)
    [created] = events.of("created")
    job = Job("Job number 1", mode="generate", ref=created.ref)
    [outcome] = await run_jobs(line, [job], retry_failed=1)

    assert outcome.ok
    assert 2 == len(line.service.ledger.creates)
    assert outcome.job is job
