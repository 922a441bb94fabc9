"""Rows that three dials or chance found, and two dials had not: each was a fault once."""

from __future__ import annotations

import pytest

from hostile.dials import parse
from hostile.flows import Flow
from hostile.play import Row, play
from hostile.verdict import judge

FOUND = [
    "send message_lag=below replicas=flip shown=chatty keys=in-progress write=send symptom=stall trust=yes",
    "send echo=empty message_lag=beyond write=send symptom=stall when=after",
    "send message_lag=beyond replicas=stale-minute write=send symptom=lost times=twice others=similar reads=403",
    "create list_lag=short replicas=flip offset=+5h date=absent symptom=lost when=after others=same-before",
    "create list_lag=below offset=+10min date=absent symptom=lost when=after others=same-before",
    "converse list_lag=below offset=+5h date=absent symptom=lost when=after others=same-before",
    (
        "converse message_lag=beyond replicas=stale-minute shown=chatty date=absent keys=in-progress symptom=lost"
        " when=after times=twice trust=yes"
    ),
    "batch message_lag=below replicas=flip shown=chatty keys=always symptom=stall when=after trust=yes",
    "batch list_lag=short replicas=flip symptom=lost when=after times=first-attempt others=same-during",
    "batch symptom=lost times=twice hides=boundary",
    "batch message_lag=beyond replicas=stale-minute shown=chatty date=absent symptom=only-id when=after reads=408",
    (
        "batch list_lag=beyond message_lag=beyond replicas=stale-minute date=absent keys=midway symptom=lost when=after"
        " times=first-attempt hides=failing others=same-during history=seasoned"
    ),
]


@pytest.mark.parametrize("words", FOUND)
def test_what_was_found_stays_mended(words: str) -> None:
    """Nothing is paid twice, lost, denied or doubted without need."""
    flow, *dials = words.split()

    assert [] == list(judge(play(Row(Flow(flow), parse(dials)))))
