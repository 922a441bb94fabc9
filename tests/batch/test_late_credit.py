"""Credit that runs out after the create was accepted: the wallet says whether to go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batches import count_ends, fast_service, make_jobs, run_jobs
from flows import Line
from heygen_async import InsufficientCredit
from heygen_async.testing import MemoryAnswer, Scenario

each = pytest.mark.parametrize

CODE = "MOVIO_PAYMENT_INSUFFICIENT_CREDIT"
HEADERS = {"content-type": "application/json"}


class Throttled(Line):
    """A line to a service whose videos fail for want of credit, the chosen ones, and whose wallet has so much."""

    def __init__(self, balance: float | None, *prompts: str) -> None:
        service = fast_service()
        for prompt in prompts:
            service.script(Scenario.failing("generating", mode="generate"), prompt=prompt)
        super().__init__(service)
        self._balance = balance

    async def send(self, request: Any) -> MemoryAnswer:
        """Answer for the account, and name the code of failures."""
        if request.url.endswith("/users/me"):
            wallet = (
                None if self._balance is None else {"currency": "usd", "remaining_balance": self._balance}
            )
            user = {"username": "a", "wallet": wallet}
            return MemoryAnswer(200, HEADERS, json.dumps({"data": user}).encode())
        answer = await super().send(request)
        if request.method == "GET" and "/v3/videos/" in request.url and b'"failed"' in answer.body:
            body = json.loads(answer.body)
            if isinstance(body["data"], dict):
                body["data"] |= {"failure_code": CODE, "failure_message": "No credit is left."}
            return MemoryAnswer(200, HEADERS, json.dumps(body).encode())
        return answer


@each("balance", [None, 0.0], ids=["no-wallet", "empty"])
async def test_credit_that_ran_out_late_ends_creating(balance: float | None) -> None:
    """Without a wallet, or with an empty one, nothing more is created after a video failed for want of credit."""
    line = Throttled(balance, "Job")
    outcomes = await run_jobs(line, make_jobs(30), max_in_flight=2)
    begun = [outcome for outcome in outcomes if not outcome.not_started]

    assert len(line.service.ledger.creates) <= 6
    assert all(isinstance(outcome.error, InsufficientCredit) for outcome in begun)


async def test_a_passing_throttle_ends_nothing() -> None:
    """While the wallet holds credit, one such failure is its own job's only."""
    line = Throttled(100.0, "number 3")
    outcomes = await run_jobs(line, make_jobs(30), max_in_flight=2)

    assert {"ok": 29, "OutOfCredit": 1} == count_ends(outcomes)


async def test_a_wallet_is_not_believed_for_ever() -> None:
    """When one video after the other fails for want of credit, creating ends whatever the wallet holds."""
    line = Throttled(100.0, "Job")
    await run_jobs(line, make_jobs(30), max_in_flight=2)

    assert len(line.service.ledger.creates) <= 3 + 2 * 2
