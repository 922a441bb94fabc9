"""What a person is told when the service refuses, fails or is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from desk.visitor import Visitor
    from heygen_async.testing import Simulator

REFUSALS = {
    "payment_required": (502, "credit"),
    "forbidden": (502, "key"),
    "rate_limit": (429, "busy"),
    "connect_refused": (502, "reached"),
}
FORM = {"form": "a-form", "prompt": "A tour of our bakery"}


@pytest.mark.parametrize(("fault", "told"), REFUSALS.items(), ids=list(REFUSALS))
async def test_a_refusal_is_told_in_plain_words(
    visitor: Visitor, service: Simulator, fault: str, told: tuple[int, str]
) -> None:
    """A session that could not be made says why and what to do, in words for a person."""
    service.faults.add(fault, on="create", times=None)
    answer = await visitor.post("/sessions", FORM)
    status, word = told

    assert status == answer.status
    assert word in answer.json["error"]
    assert answer.json["hint"]


@pytest.mark.parametrize("prompt", ["", "x" * 10_001], ids=["empty", "too long"])
async def test_a_wrong_prompt_is_told(visitor: Visitor, service: Simulator, prompt: str) -> None:
    """A prompt that the service would refuse never leaves the desk."""
    answer = await visitor.post("/sessions", {"form": "a-form", "prompt": prompt})

    assert (422, True) == (answer.status, "prompt" in answer.json["error"])
    assert 0 == service.ledger.total_requests


async def test_a_service_that_is_away_is_told_and_waited_for(visitor: Visitor, service: Simulator) -> None:
    """An open page says within a minute that the service is away, and goes on by itself when it is back."""
    url = (await visitor.post("/sessions", FORM)).json["url"]
    service.faults.add("connect_refused", times=None)
    async with visitor.watch(f"{url}/events") as page:
        away = await page.when(lambda event: event["trouble"] is not None)
        service.faults.clear()
        page.events.clear()
        back = await page.until(status="reviewing")

    assert "HeyGen can’t be reached at the moment." == away["trouble"]["error"]
    assert back["trouble"] is None


async def test_a_refused_key_is_told_on_the_page(visitor: Visitor, service: Simulator) -> None:
    """A key that stops working is told on pages that are open, and they can be opened again."""
    url = (await visitor.post("/sessions", FORM)).json["url"]
    service.faults.add("forbidden", on="get", times=1)
    async with visitor.watch(f"{url}/events") as page:
        refused = await page.when(lambda event: event["trouble"] is not None)
    async with visitor.watch(f"{url}/events") as page:
        await page.until(status="reviewing", trouble=None)

    assert "key" in refused["trouble"]["error"]


async def test_an_approval_that_is_refused_is_told(visitor: Visitor) -> None:
    """Approving while the agent works says to wait, and changes nothing."""
    url = (await visitor.post("/sessions", FORM)).json["url"]
    answer = await visitor.post(f"{url}/approve")

    assert (409, "The agent is still working.") == (answer.status, answer.json["error"])
