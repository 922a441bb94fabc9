"""
What could be known of each row, and so how it may end: the rules by which a client is judged.

A rule is about what a careful reader of the service's answers could have found out in time, not about what any client
does. Where something shows what became of a write, only the truth is right. Where nothing does, `OutcomeUnknown` is
right, and the truth, when it was guessed, is not held against anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostile.dials import (
    DateHeader,
    Echo,
    Hides,
    History,
    Keys,
    Leaving,
    Line,
    ListLag,
    MessageLag,
    Offset,
    Others,
    Replicas,
    Shown,
    Symptom,
    Times,
    Trust,
    When,
    Write,
)
from hostile.flows import WRITES, Flow

if TYPE_CHECKING:
    from hostile.dials import Dials
    from hostile.play import Row

AHEAD = (Offset.AHEAD_10_MIN, Offset.AHEAD_5_H)
BEHIND = (Offset.BEHIND_10_MIN, Offset.BEHIND_5_H)
LATE = ("beyond", "hour")
STALE = (Replicas.STALE_MINUTE, Replicas.STALE_HOUR)
SAME = (Others.SAME_BEFORE, Others.SAME_DURING, Others.SAME_AFTER)
CUT = (Echo.CUT, Echo.ELLIPSIS)


@dataclass(frozen=True, slots=True)
class Right:
    """
    How one write, or what follows it, may end.

    Attributes:
        success: The client may say that it is done.
        doubt: It may say that it does not know.
        failure: It may say that it was not done; only when it was not.
        stall: It may say that the session does not move.
        repeat: It may have been done twice: nothing that could be read showed the first in time.
        unnamed: What was done twice may stay unnamed: it could not be seen later either.
        theirs: Another process's session cannot be distinguished from ours.
        lost: A message of another process cannot be distinguished from ours.
    """

    success: bool = True
    doubt: bool = False
    failure: bool = False
    stall: bool = False
    repeat: bool = False
    unnamed: bool = False
    theirs: bool = False
    lost: bool = False

    def __or__(self, other: Right) -> Right:
        """Whatever is right by one of the two."""
        names = self.__slots__
        return Right(**{name: getattr(self, name) or getattr(other, name) for name in names})


CLEAR = Right()
DOUBTFUL = Right(doubt=True)
HOPELESS = Right(success=False, doubt=True, failure=True)


def is_struck(dials: Dials, *writes: Write) -> bool:
    """Whether an answer to one of these writes breaks so that its outcome is in question."""
    return dials.write in writes and dials.symptom not in {Symptom.NONE, Symptom.ONLY_ID}


def is_honoured(dials: Dials, write: Write) -> bool:
    """Whether the service has honoured keys on this write all along."""
    half = Keys.CREATE_ONLY if write is Write.CREATE else Keys.SEND_ONLY
    return dials.keys in {Keys.ALWAYS, Keys.IN_PROGRESS, half}


def is_trusted(dials: Dials) -> bool:
    """Whether the caller says that keys are honoured, and they are."""
    return dials.trust is Trust.YES and is_honoured(dials, dials.write)


# -- creates --


def of_create(row: Row) -> Right:
    """How a create may end."""
    dials = row.dials
    if not is_struck(dials, Write.CREATE):
        return CLEAR
    if dials.times is Times.ALWAYS and (dials.when is When.BEFORE or is_trusted(dials)):
        return HOPELESS if is_trusted(dials) else HOPELESS | _not_made(row)
    if is_trusted(dials):
        return CLEAR
    return _made(row) if dials.when is When.AFTER else _not_made(row)


def _made(row: Row) -> Right:
    """It was made: is it to be seen, and is it to be recognised?"""
    dials = row.dials
    theirs = _is_same_in_window(dials)
    if dials.hides is Hides.INCOGNITO:
        return replace(DOUBTFUL, theirs=theirs)
    if is_missed(dials):
        return Right(doubt=True, repeat=True, unnamed=True, theirs=theirs)
    if is_listed_late(dials) and not _shows_lag(row):
        # Theirs is the only one there is: taken for ours, it leaves no second create to look after.
        return Right(doubt=True, repeat=True, unnamed=theirs or not _is_seen_later(dials), theirs=theirs)
    if is_listed_late(dials):
        return replace(DOUBTFUL, theirs=theirs)
    right = _made_and_listed(dials)
    return right | replace(DOUBTFUL, theirs=theirs) if dials.hides is Hides.FAILING else right


def _made_and_listed(dials: Dials) -> Right:
    if _is_out_of_window(dials):
        return Right(doubt=True, repeat=True, unnamed=not _is_seen_later(dials))
    if not _knows_time(dials) or not shows_words(dials):
        return DOUBTFUL
    if dials.hides is Hides.BOUNDARY and dials.message_lag is not MessageLag.NONE:
        return DOUBTFUL  # the row that another process deletes is gone before its words are there
    if _is_same_in_window(dials) or (dials.others is Others.SIMILAR and dials.echo in CUT):
        return DOUBTFUL
    return CLEAR


def _not_made(row: Row) -> Right:
    """It was not made: can that be known, and what else is there?"""
    dials = row.dials
    hidden = {Hides.INCOGNITO, Hides.FAILING, Hides.ENDLESS}
    # A session of the client's own is missing from the list, if only for some seconds or from one of its pages.
    misses_own = dials.list_lag is ListLag.BELOW or dials.hides is Hides.BOUNDARY
    misses_own |= is_listed_late(dials) or dials.replicas is Replicas.FLIP
    may_lag = misses_own and _has_own(row)
    if _is_same_in_window(dials):
        # With a clock, what is older is not ours; without one it is a candidate, and never adopted.
        is_older = dials.others is Others.SAME_BEFORE and dials.offset not in AHEAD
        return replace(DOUBTFUL, theirs=not is_older)
    if dials.others is Others.SIMILAR and dials.echo in CUT:
        return replace(DOUBTFUL, theirs=True)
    if dials.hides in hidden or may_lag:
        return DOUBTFUL
    is_busy = dials.others in {Others.SIMILAR, Others.UNRELATED} or dials.hides is Hides.BOUNDARY
    if is_busy and not (_echoes_exactly(dials) and shows_words(dials)):
        return DOUBTFUL
    return CLEAR


def is_listed_late(dials: Dials) -> bool:
    """Whether a new session is missing from the list for as long as it is looked for."""
    has_waited = dials.symptom is Symptom.STALL  # for two minutes
    if dials.list_lag is ListLag.BEYOND or dials.hides is Hides.LAST_MINUTE:
        return not has_waited
    return dials.list_lag is ListLag.HOUR


def is_missed(dials: Dials) -> bool:
    """Whether the one replica that shows it in time need not have been asked then, or for that page."""
    is_brief = dials.list_lag is ListLag.BELOW or dials.hides is Hides.BOUNDARY
    return is_brief and dials.replicas is Replicas.FLIP


def _has_own(row: Row) -> bool:
    """Whether the client has made sessions a moment ago, which the list may lack: earlier ones, or other jobs'."""
    return row.dials.history is History.SEASONED or row.flow is Flow.BATCH


def _shows_lag(row: Row) -> bool:
    """Whether the list shows that it lags: it lacks sessions of the client's own for as long as ours."""
    dials = row.dials
    if dials.hides is Hides.FAILING and dials.list_lag is ListLag.BEYOND:
        return False  # when it can be read again it has those of before, and still lacks ours
    others_are_lost = dials.history is History.FRESH and dials.times is not Times.ONCE
    return _has_own(row) and not others_are_lost


def _is_seen_later(dials: Dials) -> bool:
    """Whether a search a minute after the second create finds and recognises the first."""
    return dials.leaving is Leaving.LATER and dials.list_lag is not ListLag.HOUR and shows_words(dials)


def _knows_time(dials: Dials) -> bool:
    """Whether the service's time is known: from `Date`, or from the times of sessions made before."""
    return dials.date is DateHeader.SENT


def _is_out_of_window(dials: Dials) -> bool:
    """
    Whether our session looks older than the attempt, and nothing shows that the clocks differ.

    A clock ahead makes it look younger, which is no reason to pass it over; sessions of our own tell the difference.
    """
    return not _knows_time(dials) and dials.offset in BEHIND and dials.history is History.FRESH


def _is_same_in_window(dials: Dials) -> bool:
    """Whether another process has made the same at a time at which ours can have been made."""
    if dials.others is Others.SAME_BEFORE:
        return not _knows_time(dials)
    return dials.others in SAME


def shows_words(dials: Dials) -> bool:
    """Whether the prompt can be read in time, and for as long as it takes."""
    is_late = dials.message_lag in LATE and not (
        dials.symptom is Symptom.STALL and dials.message_lag is MessageLag.BEYOND
    )
    return dials.shown is Shown.NEWEST_40 and dials.echo is not Echo.EMPTY and not is_late


def _echoes_exactly(dials: Dials) -> bool:
    """Whether the client knows from sessions of its own that prompts come back to the letter."""
    return dials.history is History.SEASONED and dials.echo is Echo.EXACT


# -- messages --


def of_message(row: Row) -> Right:
    """How a send or an approval may end."""
    dials = row.dials
    if not is_struck(dials, Write.SEND, Write.APPROVE):
        return CLEAR
    if dials.times is Times.ALWAYS and (dials.when is When.BEFORE or is_trusted(dials)):
        return HOPELESS if is_trusted(dials) else HOPELESS | _not_taken(row)
    if is_trusted(dials):
        return CLEAR
    return _taken(row) if dials.when is When.AFTER else _not_taken(row)


def _taken(row: Row) -> Right:
    """It was taken: the session has left its pause, which shows unless what is read is from before."""
    dials = row.dials
    # After two minutes the agent has come back to a pause: then only messages tell.
    is_revised = dials.write is Write.SEND or dials.others is not Others.NOTHING
    is_back = dials.symptom is Symptom.STALL and is_revised
    if dials.replicas in STALE and not (dials.replicas is Replicas.STALE_MINUTE and is_back):
        return replace(DOUBTFUL, repeat=not _has_shown_staleness(row))
    if is_back and (dials.shown is Shown.NONE or dials.message_lag is MessageLag.HOUR):
        return replace(DOUBTFUL, repeat=True)
    if is_back and not shows_words(dials):
        return DOUBTFUL
    return CLEAR


def _not_taken(row: Row) -> Right:
    """It was not taken: the pause stands, and no new message of the user is there."""
    dials = row.dials
    # An old snapshot that shows the agent at work, without the messages since, looks like a new one.
    is_wordless = dials.message_lag is not MessageLag.NONE or dials.shown is Shown.NONE
    is_blurred = dials.replicas is Replicas.FLIP and is_wordless
    if dials.others is not Others.NOTHING or is_blurred:
        return replace(DOUBTFUL, lost=True)
    # The agent's forty-five messages came after the pause was seen: what was before them is not shown any more.
    has_gap = dials.shown is Shown.CHATTY and dials.message_lag is not MessageLag.NONE
    may_lag = dials.shown is Shown.NONE or dials.message_lag in LATE or has_gap
    return DOUBTFUL if may_lag or _has_shown_staleness(row) else CLEAR


def _has_shown_staleness(row: Row) -> bool:
    """Whether the client has seen, after a message that was delivered, the pause from before it."""
    is_later = row.flow in {Flow.CONVERSE, Flow.BATCH} and row.dials.write is Write.APPROVE
    return is_later and row.dials.replicas in {*STALE, Replicas.FLIP}


# -- what follows --


def of_watch(row: Row) -> Right:
    """How waiting for the next pause or for the video may end."""
    dials = row.dials
    has_answered = row.flow is not Flow.CREATE
    is_wordless = dials.shown is Shown.NONE or dials.message_lag in LATE
    is_blind = is_wordless and dials.replicas is not Replicas.ONE
    right = CLEAR
    if has_answered and is_struck(dials, Write.SEND, Write.APPROVE) and of_message(row).lost:
        right |= Right(stall=True)
    if has_answered and (dials.replicas is Replicas.STALE_HOUR or dials.message_lag is MessageLag.HOUR):
        right |= Right(stall=True)
    is_timeless = dials.symptom is Symptom.ONLY_ID or is_struck(dials, Write.CREATE)
    if dials.shown is Shown.CHATTY and not _knows_time(dials) and is_timeless:
        right |= Right(stall=True)  # ours is pushed out, and no clock shows that what is shown came after it
    if has_answered and is_wordless and dials.symptom is Symptom.STALL:
        right |= Right(stall=True)  # by the time of the answer the agent is back, and was not seen at work
    if has_answered and is_blind:
        # Statuses alone, from two replicas: old ones cannot be distinguished from new ones.
        right |= Right(stall=True, repeat=dials.replicas is Replicas.FLIP)
    if has_answered and dials.others is not Others.NOTHING and dials.write is not Write.CREATE:
        # Theirs interrupts ours. Where reads are old too, what followed theirs looks like a reply to ours: other words,
        # too, may be ours as the service shows them.
        right |= Right(stall=True, failure=True, repeat=dials.replicas is not Replicas.ONE)
    return right


def of(row: Row, intent: str) -> Right:
    """How an intent may end."""
    if row.dials.line in {Line.DIES_IDLE, Line.UNREAD}:
        # Any connection may close before its request is read.
        kept = replace(row, dials=replace(row.dials, line=Line.KEPT))
        unread = replace(kept.dials, symptom=Symptom.LOST, when=When.BEFORE, trust=Trust.NO)
        lost = [replace(kept, dials=replace(unread, write=write)) for write in WRITES[row.flow]]
        right = of(kept, intent)
        for one in lost:
            right |= of(one, intent)
        return right
    match intent:
        case "scene":
            return CLEAR
        case "create":
            return of_create(row)
        case "send" | "approve":
            return of_message(row)
        case "pause" | "video":
            return of_watch(row)
        case "converse":
            return of_message(row) | of_watch(row)
        case _:
            right = of_create(row) | of_message(row) | of_watch(row)
            is_twins = is_struck(row.dials, Write.CREATE) and row.dials.times is not Times.ONCE
            return right | DOUBTFUL if is_twins else right
