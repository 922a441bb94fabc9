"""Reads that lag, echoes that differ, lists that hide: what a careful client must survive, as faults."""

from __future__ import annotations

import pytest

from heygen_async.testing._service.echo import ECHOES
from testing.desk import Desk

CREATE = "/v3/video-agents"
PROMPT = 'Say "café"\nto a & b' + " again" * 60


@pytest.mark.parametrize("how", sorted(ECHOES.keys() - {"attachments", "trimmed"}))
def test_echoes_differ(desk: Desk, how: str) -> None:
    """Each altered echo shows the prompt changed, and the ledger keeps what was sent."""
    desk.simulator.faults.add("altered_echo", how=how)
    session_id = desk.create(PROMPT)
    [message] = desk.read(session_id)["messages"]

    assert PROMPT != message["content"]
    assert PROMPT == desk.simulator.ledger.creates[0].prompt


def test_attachments_can_be_messages_of_their_own(desk: Desk) -> None:
    """The text stays as it was, and the attachments come in a message beside it."""
    desk.simulator.faults.add("altered_echo", how="attachments")
    files = [{"type": "url", "url": "https://example.test/a.png"}]
    session_id = desk.create("An espresso machine", files=files)
    messages = desk.read(session_id)["messages"]

    assert [("", "resource"), ("An espresso machine", "text")] == [
        (m["content"], m["type"]) for m in messages
    ]


def test_unknown_echoes_are_refused(desk: Desk) -> None:
    """A way of changing an echo that does not exist names those that do."""
    desk.simulator.faults.add("altered_echo", how="rot13")
    with pytest.raises(ValueError, match="line_ends"):
        desk.create()


def test_lists_lag_behind_creates(desk: Desk) -> None:
    """A new session is missing from the list for a while, or for good; it can be read all the time."""
    desk.simulator.faults.add("list_lags", seconds=20)
    late = desk.create()
    desk.simulator.faults.add("unlisted")
    hidden = desk.create()

    def listed() -> list[str]:
        return [row["session_id"] for row in desk.call("GET", CREATE).data]

    assert ([], "thinking") == (listed(), desk.status(late))
    desk.wait(20)
    assert [late] == listed()
    assert 200 == desk.call("GET", f"{CREATE}/{hidden}").status


def test_reads_lag_behind_a_send(desk: Desk) -> None:
    """For so many seconds after a send the old pause shows, without the message; then what is."""
    session_id = desk.create()
    desk.wait(30)
    desk.simulator.faults.add("stale_reads", seconds=60)
    before = desk.read(session_id)
    desk.send(session_id, "Approve")
    desk.wait(59)
    stale = desk.read(session_id)
    desk.wait(1)
    fresh = desk.read(session_id)

    assert before == stale
    assert ("generating", "Approve") == (fresh["status"], fresh["messages"][1]["content"])


def test_two_replicas_take_turns(desk: Desk) -> None:
    """Every other read comes from a replica that is behind."""
    desk.simulator.faults.add("replicas", seconds=15)
    session_id = desk.create()
    desk.wait(30)

    assert ["thinking", "reviewing"] * 2 == [desk.status(session_id) for _ in range(4)]


def test_a_session_may_show_no_messages(desk: Desk) -> None:
    """A session may never show a message, whatever is sent."""
    desk.simulator.faults.add("no_messages")
    session_id = desk.create()
    desk.wait(30)

    assert ("reviewing", []) == (desk.status(session_id), desk.read(session_id)["messages"])
