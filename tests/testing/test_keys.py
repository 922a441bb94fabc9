"""Which calls honour `Idempotency-Key`, from when on."""

from __future__ import annotations

import pytest

from heygen_async.testing import Simulator
from testing.desk import Desk

CREATE = "/v3/video-agents"


def create(desk: Desk) -> str:
    """Create with one and the same key."""
    answer = desk.call("POST", CREATE, {"prompt": "p", "mode": "chat"}, idempotency_key="key-1")
    return str(answer.data["session_id"])


def send(desk: Desk, session_id: str) -> int:
    """Send with one and the same key."""
    path = f"{CREATE}/{session_id}"
    return desk.call("POST", path, {"message": "Shorter"}, idempotency_key="key-2").status


def test_keys_are_ignored_by_default() -> None:
    """Nothing shows that the service honours keys on the Video Agent calls, so the simulator does not."""
    desk = Desk()
    first, second = create(desk), create(desk)

    assert first != second
    assert 1 == desk.simulator.ledger.duplicate_creates


def test_keys_are_honoured_per_call() -> None:
    """One call may honour keys and another ignore them."""
    desk = Desk(Simulator(idempotency={"create"}))
    first, second = create(desk), create(desk)
    desk.wait(30)
    statuses = [send(desk, first) for _ in range(2)]

    assert first == second
    assert [200, 409] == statuses


def test_keys_are_honoured_from_now_on() -> None:
    """A service may begin to honour keys: of creates since then."""
    desk = Desk()
    before = create(desk)
    desk.simulator.idempotency = "honoured"
    first, second = create(desk), create(desk)

    assert before != first == second


@pytest.mark.parametrize("which", ["honored", {"list"}, None])
def test_which_calls_is_checked(which: object) -> None:
    """A word or call that is not known is refused at once."""
    with pytest.raises(ValueError, match="idempotency"):
        Simulator(idempotency=which)  # type: ignore[arg-type]
