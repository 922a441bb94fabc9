"""
The verdict on a run: what the client claims, held against what the service counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from heygen_async import (
    HeyGenError,
    InvalidArgument,
    SessionPaused,
    SessionStalled,
    WatchTimeout,
)
from hostile import evidence
from hostile.dials import DateHeader, Hides, Offset, When, Write
from hostile.flows import JOBS, Flow
from hostile.texts import APPROVAL, OTHER_PROMPT, PROMPT, REVISION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile.claims import Claim
    from hostile.evidence import Right
    from hostile.play import Run


class Fault(StrEnum):
    """What a client must not do."""

    SESSION_TWICE = "one create was paid for twice"
    MESSAGE_TWICE = "one message was sent twice"
    SILENT_ORPHAN = "a session of ours that nothing names"
    STRANGER = "another process's session taken for ours"
    NEEDLESS_DOUBT = "OutcomeUnknown, though the truth could be known"
    UNNAMED = "OutcomeUnknown that does not name what could be seen"
    DENIED = "an error that denies what was done"
    LOST = "success, though the message never arrived"
    FAILED = "an error, though it could have succeeded"
    EARLY = "a pause from before the answer, reported as a new one"
    RAW = "an error that is not of this package"
    BLAMED = "the caller is blamed"
    REFUSED = "a request that the service had to refuse"
    SHARED = "one session taken for two jobs"
    STUCK = "no end"
    READ = "keys are trusted, and something was read"
    KEYS = "one create under two keys"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, with what shows it."""

    fault: Fault
    detail: str

    def __str__(self) -> str:
        return f"{self.fault} ({self.detail})"


def judge(run: Run) -> list[Finding]:
    """Return what was wrong with a run."""
    return list(_findings(run))


def _findings(run: Run) -> Iterator[Finding]:
    if run.claims.is_stuck:
        yield Finding(Fault.STUCK, "the run came to no end")
    for refused in run.service.ledger.refused:
        yield Finding(Fault.REFUSED, refused)
    for claim in run.claims.claims:
        yield from _of_claim(run, claim)
    yield from _shared(run)
    yield from _sessions(run)
    yield from _messages(run)
    if run.claims.reads and _must_not_read(run):
        yield Finding(Fault.READ, f"{run.claims.reads} reads")


# -- what is claimed --


def _of_claim(run: Run, claim: Claim) -> Iterator[Finding]:
    right = evidence.of(run.row, claim.intent)
    error = claim.error
    if error is None:
        yield from _of_success(run, claim, right)
    elif not isinstance(error, HeyGenError):
        yield Finding(Fault.RAW, f"{claim.intent}: {error!r}")
    elif isinstance(error, InvalidArgument):
        yield Finding(Fault.BLAMED, f"{claim.intent}: {error!r}")
    elif claim.is_doubt:
        yield from _of_doubt(run, claim, right)
    else:
        yield from _of_failure(run, claim, right)


def _of_success(run: Run, claim: Claim, right: Right) -> Iterator[Finding]:
    ledger = run.service.ledger
    if claim.is_early and not right.repeat:
        yield Finding(Fault.EARLY, claim.intent)
    if _makes(claim) and claim.session_id not in ledger.made(claim.text) and not right.theirs:
        yield Finding(Fault.STRANGER, f"{claim.intent}: {claim.session_id}")
    has_arrived = bool(ledger.accepted(claim.session_id or "", claim.text))
    if claim.intent in {"send", "approve"} and not has_arrived and not right.lost:
        yield Finding(Fault.LOST, claim.intent)


def _of_doubt(run: Run, claim: Claim, right: Right) -> Iterator[Finding]:
    if not right.doubt:
        yield Finding(Fault.NEEDLESS_DOUBT, f"{claim.intent}: {claim.error}")
    elif _makes(claim) and _could_be_seen(run):
        unnamed = [one for one in run.service.ledger.made(claim.text) if not run.claims.names(one)]
        if unnamed:
            yield Finding(Fault.UNNAMED, f"{claim.intent}: not named {unnamed}")


def _of_failure(run: Run, claim: Claim, right: Right) -> Iterator[Finding]:
    error = claim.error
    if right.stall and isinstance(error, SessionStalled | WatchTimeout):
        return
    # An old pause may be reported as what it is, and where nothing tells it from a new one.
    is_stale = isinstance(error, SessionPaused) and getattr(error.last_state, "is_stale", False)
    if is_stale or (isinstance(error, SessionPaused) and right.repeat):
        return
    if not right.failure:
        yield Finding(Fault.FAILED, f"{claim.intent}: {claim.error!r}")
    elif claim.intent in {"send", "approve"} and run.service.ledger.accepted(
        claim.session_id or "", claim.text
    ):
        yield Finding(Fault.DENIED, f"{claim.intent}: {claim.error!r}")


def _makes(claim: Claim) -> bool:
    return claim.intent == "create" or claim.intent in JOBS


def _could_be_seen(run: Run) -> bool:
    """Whether a session of ours could be seen and recognised by the time of the doubt."""
    dials = run.row.dials
    return (
        dials.when is When.AFTER
        and not evidence.is_trusted(dials)  # then nothing is read
        and not evidence.is_listed_late(dials)
        and not evidence.is_missed(dials)
        and dials.hides not in {Hides.INCOGNITO, Hides.FAILING}
        and (dials.date is DateHeader.SENT or dials.offset is Offset.NONE)
    )


def _shared(run: Run) -> Iterator[Finding]:
    """Two jobs must not end with one session: one of the two videos would be missing."""
    ids = Counter(one.session_id for one in run.claims.claims if one.intent in JOBS and one.error is None)
    for session_id, count in ids.items():
        if count > 1:
            yield Finding(Fault.SHARED, f"{session_id} is the session of {count} jobs")


# -- what was done --


def _sessions(run: Run) -> Iterator[Finding]:
    ledger = run.service.ledger
    for prompt, wanted in _wanted(run).items():
        made = ledger.made(prompt)
        right = evidence.of_create(run.row)
        if len(made) > wanted and not right.repeat:
            yield Finding(Fault.SESSION_TWICE, f"{len(made)} made, {wanted} wanted")
        keys = {ledger.sessions[one].key for one in made}
        if len(keys) > wanted:
            yield Finding(Fault.KEYS, str(sorted(keys)))
        silent = [one for one in made if not run.claims.names(one)]
        in_doubt = any(claim.is_doubt and claim.text == prompt for claim in run.claims.claims)
        if silent and not in_doubt and not (right.repeat and right.unnamed):
            yield Finding(Fault.SILENT_ORPHAN, ", ".join(silent))


def _wanted(run: Run) -> dict[str, int]:
    return {PROMPT: 2, OTHER_PROMPT: 1} if run.row.flow is Flow.BATCH else {PROMPT: 1}


def _messages(run: Run) -> Iterator[Finding]:
    ledger = run.service.ledger
    right = evidence.of_message(run.row) | evidence.of_watch(run.row)
    if right.repeat:
        return
    for session_id in ledger.sessions:
        for text in (REVISION, APPROVAL):
            accepted = ledger.accepted(session_id, text)
            # An approval may be wanted again: another process has had the storyboard revised.
            again = [
                one for one in accepted[1:] if text == REVISION or not (one.was_paused and right.failure)
            ]
            if again:
                yield Finding(Fault.MESSAGE_TWICE, f"{len(accepted)} times in {session_id}: {text[:9]}…")


def _must_not_read(run: Run) -> bool:
    dials = run.row.dials
    return evidence.is_trusted(dials) and evidence.is_struck(dials, Write.CREATE, Write.SEND)
