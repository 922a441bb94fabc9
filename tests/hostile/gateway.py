"""
What stands before the service and breaks its answers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from hostile.dials import Reads, Symptom, Times, When
from hostile.exchange import JSON, Answer, Cut, page, refusal

if TYPE_CHECKING:
    from hostile.dials import Dials, Write

NO_ID = ".."  # in a path it would mean another address

_CUTS = {
    Symptom.LOST: Cut.CLOSED,
    Symptom.RESET: Cut.RESET,
    Symptom.HALF_HEAD: Cut.IN_HEAD,
    Symptom.HALF_BODY: Cut.IN_BODY,
    Symptom.STALL: Cut.STALLED,
}
_BUSY = refusal(503, "service_unavailable", "Come back later.")
_IN_PLACE = {
    Symptom.S500: refusal(500, "internal_error", "Something went wrong."),
    Symptom.S502: page(502, "Bad gateway"),
    Symptom.S503: replace(_BUSY, headers={**JSON, "retry-after": "2"}),
    Symptom.S504: refusal(504, "gateway_timeout", "The backend took too long."),
    Symptom.S408: Answer(408, b""),
    Symptom.S425: Answer(425, b""),
    Symptom.S499: Answer(499, b""),
    Symptom.S302: Answer(302, b"", {"location": "https://login.invalid/"}),
    Symptom.S409: refusal(409, None, "Conflict."),
    Symptom.S403: page(403, "Blocked by your proxy"),
    Symptom.EMPTY_BODY: Answer(200, b"", JSON),
    Symptom.GARBAGE: page(200, "Please wait"),
    Symptom.NO_DATA: Answer(200, b"{}", JSON),
}


class Gateway:
    """Which answers break, and how."""

    def __init__(self, dials: Dials) -> None:
        self._dials = dials
        self._struck: list[str] = []
        self._reads = 0

    @property
    def has_struck(self) -> bool:
        """Whether an answer was broken already."""
        return bool(self._struck)

    def strikes(self, write: Write, key: str, when: When) -> bool:
        """Whether the answer to this write breaks, at this stage of it; it counts as struck then."""
        dials = self._dials
        if dials.symptom is Symptom.NONE or write is not dials.write or when is not dials.when:
            return False
        allowed = {
            Times.ONCE: not self._struck,
            Times.TWICE: len(self._struck) < 2,
            Times.FIRST_ATTEMPT: key not in self._struck,
            Times.ALWAYS: True,
        }
        if allowed[dials.times]:
            self._struck.append(key)
        return allowed[dials.times]

    def broken(self, whole: Answer | None) -> Answer:
        """What becomes of an answer; None: the write was not done, so there is none."""
        symptom = self._dials.symptom
        if symptom in _CUTS:
            return replace(whole or page(502, "Bad gateway"), cut=_CUTS[symptom])
        if symptom in _IN_PLACE:
            return _IN_PLACE[symptom]
        assert whole is not None, f"{symptom} needs something done"
        return _with_id(whole, symptom)

    def spoils_read(self) -> Answer | None:
        """What comes in place of the answer to a read, every fourth time."""
        self._reads += 1
        if self._dials.reads is Reads.FINE or self._reads % 4:
            return None
        return {
            Reads.S408: Answer(408, b""),
            Reads.S502: page(502, "Bad gateway"),
            Reads.S403: page(403, "Blocked by your proxy"),
            Reads.GARBAGE: page(200, "Please wait"),
            Reads.LOST: Answer(200, b"{}", JSON, Cut.CLOSED),
        }[self._dials.reads]


def _with_id(whole: Answer, symptom: Symptom) -> Answer:
    answered = json.loads(whole.body)["data"]
    if symptom is Symptom.ONLY_ID:
        answered = {"session_id": answered["session_id"]}
    else:
        spoiled = "" if symptom is Symptom.EMPTY_ID else NO_ID
        answered |= {name: spoiled for name in ("session_id", "run_id") if name in answered}
    return Answer(200, json.dumps({"data": answered}).encode(), JSON)
