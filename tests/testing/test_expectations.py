"""What a test expects of the service in one line, and what it reads when it was wrong."""

from __future__ import annotations

import re

import pytest

from testing.desk import Desk


def test_creates_and_messages_are_found(desk: Desk) -> None:
    """Creates and messages are found by a part of their text and by their fields."""
    session_id = desk.create("A tour of our bakery", orientation="portrait")
    desk.create("An espresso machine")
    desk.wait(30)
    desk.send(session_id, "Approve")

    [found] = desk.simulator.expect_create("bakery", orientation="portrait")
    [message] = desk.simulator.expect_message("Approve")
    assert session_id == found.session_id == message.session_id
    assert 2 == len(desk.simulator.expect_create(times=2))
    assert [] == desk.simulator.expect_create("tea", times=0)


def test_a_wrong_expectation_lists_what_there_was(desk: Desk) -> None:
    """A wrong expectation names what was looked for and every create there was."""
    desk.create("A tour of our bakery")
    wanted = "expected 2 create(s) with 'bakery' mode='generate', found 0 among:\n  'A tour of our bakery' mode='chat'"
    with pytest.raises(AssertionError, match=re.escape(wanted)):
        desk.simulator.expect_create("bakery", times=2, mode="generate")
    with pytest.raises(AssertionError, match="none at all"):
        desk.simulator.expect_message()


def test_billed_videos_are_counted(desk: Desk) -> None:
    """A wrong number of billed videos shows the ledger."""
    desk.create(mode="generate")
    desk.wait(200)
    desk.call("GET", "/v3/videos")  # the books are as of the newest request

    assert 1 == len(desk.simulator.expect_billed(1))
    with pytest.raises(AssertionError, match="1 sessions created, 1 videos billed"):
        desk.simulator.expect_billed(2)
