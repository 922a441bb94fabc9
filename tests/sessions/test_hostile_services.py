"""A paid write whose answer is lost, at services that show it late, in part, or from another replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heygen_async import OutcomeUnknown
from hostile.dials import parse
from hostile.flows import Flow
from hostile.play import Row, Run, play
from hostile.texts import APPROVAL, PROMPT, REVISION
from hostile.verdict import judge

if TYPE_CHECKING:
    from hostile.claims import Claim

each = pytest.mark.parametrize
LOST = "symptom=lost when=after"


def played(flow: Flow, dials: str) -> Run:
    """Play a row; fail where anything at all is wrong with it."""
    run = play(Row(flow, parse(dials.split())))
    assert [] == judge(run)
    return run


def claim(run: Run, intent: str) -> Claim:
    """Return what the client claims of what it was asked for."""
    found = run.claims.get(intent)
    assert found is not None
    return found


def taken(run: Run, text: str) -> int:
    """Return how often the service took a message."""
    return sum(message.text == text for message in run.service.ledger.messages)


# ---- creates ------------------------------------------------------------------------------------------------------


def test_session_that_one_replica_has_shown_is_not_paid_for_again() -> None:
    """The caller learns of a session seen once, and no second one is made though the next listing lacks it."""
    run = played(Flow.CREATE, f"message_lag=beyond replicas=flip {LOST}")

    (made,) = run.service.ledger.made(PROMPT)
    assert run.claims.names(made)


def test_create_without_any_clear_answer_is_not_denied() -> None:
    """When no attempt gets an answer the caller is told so, with the key, and not that the connection closed."""
    run = played(Flow.CREATE, f"list_lag=hour {LOST} times=always")

    error = claim(run, "create").error
    assert isinstance(error, OutcomeUnknown)
    assert "the-create" == error.idempotency_key
    assert "the connection closed" in str(error)


def test_rows_that_move_while_the_list_is_read() -> None:
    """Another process's session is not taken for ours because a page lacked ours."""
    run = played(Flow.CREATE, "offset=-10min symptom=stall when=after hides=boundary others=same-after")

    ours, theirs = (run.service.ledger.made(PROMPT), claim(run, "create").candidates)
    assert set(ours) < set(theirs)


def test_session_deleted_by_another_process_keeps_nothing_in_doubt() -> None:
    """A listed session that nothing shows any more does not keep the caller from getting theirs."""
    run = played(Flow.CREATE, f"hides=boundary {LOST}")

    assert run.service.ledger.made(PROMPT) == [claim(run, "create").session_id]


# ---- messages -----------------------------------------------------------------------------------------------------


@each("late", ["message_lag=beyond", "message_lag=hour", "shown=none"])
@each(("flow", "text"), [(Flow.SEND, REVISION), (Flow.APPROVE, APPROVAL)], ids=["send", "approve"])
@each("replicas", ["one", "flip"])
def test_agent_that_goes_on_has_got_the_message(flow: Flow, text: str, late: str, replicas: str) -> None:
    """A message that does not show is not sent again where the session has left its pause."""
    run = played(flow, f"{late} replicas={replicas} {LOST}")

    assert claim(run, flow).error is None
    assert 1 == taken(run, text)


@each("dials", ["shown=chatty reads=408", "reads=408", "reads=502 shown=chatty"])
def test_storyboard_that_is_rendered_is_not_approved_again(dials: str) -> None:
    """Rendering shows the approval, also when a replica shows the session at work as before its pause."""
    run = played(Flow.APPROVE, f"message_lag=below replicas=flip {LOST} {dials}")

    assert claim(run, "approve").error is None
    assert 1 == taken(run, APPROVAL)


def test_service_that_was_late_before_is_given_as_long_again() -> None:
    """Where a revision showed a minute late, an approval that does not show is not sent again in seconds."""
    run = played(Flow.BATCH, f"replicas=stale-minute write=approve {LOST}")

    assert len(run.service.ledger.sessions) == taken(run, APPROVAL)
    assert all(one.error is None for one in run.claims.claims)


def test_forty_newer_messages_may_have_pushed_ours_out() -> None:
    """A full window without our message does not prove that it never came."""
    run = played(Flow.SEND, "message_lag=beyond shown=chatty symptom=stall when=after")

    assert 1 == taken(run, REVISION)


@each("late", ["message_lag=below", "message_lag=hour", "shown=none"])
@each("keys", ["always", "send-only", "in-progress"])
def test_trusted_keys_need_no_reads(keys: str, late: str) -> None:
    """With trusted keys a lost message is sent again with its key, and nothing is read before or between."""
    run = played(Flow.SEND, f"{late} keys={keys} {LOST} trust=yes")

    assert 0 == run.claims.reads
    assert 1 == taken(run, REVISION)
