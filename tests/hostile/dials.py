"""
What the service may do, dial by dial: every value is something that contract.md allows or cannot exclude.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Self, cast


class Dial(StrEnum):
    """A dial: each of its values has a word for the command line and a sentence for the table."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class Echo(Dial):
    """How a prompt or a message comes back in the session's messages (contract.md, Observed behaviour 17)."""

    EXACT = "exact", "as it was sent"
    LF = "lf", "CRLF becomes LF"
    CRLF = "crlf", "LF becomes CRLF"
    NEWLINE_ADDED = "newline-added", "a line end is added"
    STRIPPED = "stripped", "blanks and line ends at both ends are gone"
    NFC = "nfc", "Unicode composed"
    NFD = "nfd", "Unicode decomposed"
    SPACES = "spaces", "runs of blanks and line ends become one blank"
    QUOTES = "quotes", "straight quotes become typographic ones, three dots an ellipsis"
    HTML = "html", "HTML escapes"
    ZERO_WIDTH = "zero-width", "zero-width marks between words"
    CUT = "cut", "cut after 60 characters"
    ELLIPSIS = "ellipsis", "cut after 60 characters, with an ellipsis"
    PREFIX = "prefix", "`User: ` stands before it"
    ATTACHMENTS = "attachments", "attachments are messages of their own, after the text"
    EMPTY = "empty", "the message is there, its text is not"


class ListLag(Dial):
    """How long a new session is missing from the list."""

    NONE = "none", "listed at once"
    SHORT = "short", "listed after a fifth of `settle_time`"
    BELOW = "below", "listed just before `settle_time` is over"
    BEYOND = "beyond", "listed after three times `settle_time`"
    HOUR = "hour", "listed after an hour"


class MessageLag(Dial):
    """How long a new message is missing from its session, whose status is fresh."""

    NONE = "none", "shown at once"
    SHORT = "short", "shown after a fifth of `settle_time`"
    BELOW = "below", "shown just before `settle_time` is over"
    BEYOND = "beyond", "shown after three times `settle_time`"
    HOUR = "hour", "shown after an hour"


class Replicas(Dial):
    """Which copy of the data answers a read (contract.md, Observed behaviour 16)."""

    ONE = "one", "always the fresh one"
    FLIP = "flip", "the fresh one and one that lags, in turns"
    STALE_MINUTE = "stale-minute", "after a message the pause before it is shown for a minute"
    STALE_HOUR = "stale-hour", "after a message the pause before it is shown for an hour"


class Shown(Dial):
    """Which messages a session shows."""

    NEWEST_40 = "newest-40", "the newest forty"
    CHATTY = "chatty", "the newest forty, and the agent writes 45 a step"
    NONE = "none", "none, ever"


class Offset(Dial):
    """How far the service's clock stands from ours; all its times are its own."""

    NONE = "0", "right"
    AHEAD_10_MIN = "+10min", "ten minutes ahead"
    BEHIND_10_MIN = "-10min", "ten minutes behind"
    AHEAD_5_H = "+5h", "five hours ahead"
    BEHIND_5_H = "-5h", "five hours behind"


class DateHeader(Dial):
    """Whether answers say what time the service has."""

    SENT = "sent", "every answer has a `Date`"
    ABSENT = "absent", "no answer has a `Date`"


class Keys(Dial):
    """Which of the three writes honour `Idempotency-Key`."""

    NEVER = "never", "ignored"
    ALWAYS = "always", "honoured"
    MIDWAY = "midway", "honoured from the second write on"
    CREATE_ONLY = "create-only", "honoured on create, ignored on send"
    SEND_ONLY = "send-only", "honoured on send, ignored on create"
    IN_PROGRESS = "in-progress", "honoured; 409 `request_in_progress` for some seconds after the first"


class Write(Dial):
    """The paid call whose answer breaks."""

    CREATE = "create", "the create"
    SEND = "send", "the revision"
    APPROVE = "approve", "the approval"


class Symptom(Dial):
    """What the client sees of a broken answer."""

    NONE = "fine", "nothing breaks"
    LOST = "lost", "the connection closes without an answer"
    RESET = "reset", "the connection is reset"
    HALF_HEAD = "half-head", "the connection closes within the head"
    HALF_BODY = "half-body", "the connection closes within the body"
    STALL = "stall", "no answer comes until the client gives up"
    S500 = "500", "500 with the service's JSON"
    S502 = "502", "502 with a gateway's HTML"
    S503 = "503", "503 with `Retry-After`"
    S504 = "504", "504 with the service's JSON"
    S408 = "408", "408"
    S425 = "425", "425"
    S499 = "499", "499"
    S302 = "302", "302 to a login page"
    S409 = "409", "409 without a code"
    S403 = "403", "403 with a proxy's HTML"
    EMPTY_BODY = "empty-body", "200 without a body"
    GARBAGE = "garbage", "200 with HTML"
    NO_DATA = "no-data", "200 with `{}`"
    EMPTY_ID = "empty-id", "200 whose id is empty"
    UNUSABLE_ID = "unusable-id", "200 whose id is no id"
    ONLY_ID = "only-id", "200 with the session's id and nothing else"


class When(Dial):
    """Whether the write was done before its answer broke."""

    BEFORE = "before", "it was not done"
    AFTER = "after", "it was done"


class Times(Dial):
    """How often the answer breaks."""

    ONCE = "once", "once"
    TWICE = "twice", "twice"
    FIRST_ATTEMPT = "first-attempt", "at the first attempt of each write"
    ALWAYS = "always", "always"


class Hides(Dial):
    """What the list of sessions keeps back."""

    NOTHING = "nothing", "nothing"
    INCOGNITO = "incognito", "sessions made with `incognito_mode`, as ours is"
    LAST_MINUTE = "last-minute", "what was made in the last minute"
    BOUNDARY = "boundary", "ours, the first time: rows move while pages of three are read"
    FAILING = "failing", "everything for a while: 500"
    ENDLESS = "endless", "its end: `has_more` is always true"


class Others(Dial):
    """What other processes of the account do while our write is on its way."""

    NOTHING = "nothing", "nothing"
    SAME_BEFORE = "same-before", "the same, seconds before (a message: just before)"
    SAME_DURING = "same-during", "the same, at the same time"
    SAME_AFTER = "same-after", "the same, seconds after"
    SIMILAR = "similar", "the same but for its last word, at the same time"
    UNRELATED = "unrelated", "something else, at the same time"


class History(Dial):
    """What the client has done before."""

    FRESH = "fresh", "nothing"
    SEASONED = "seasoned", "made and read a session minutes ago, made another seconds ago"


class Leaving(Dial):
    """When the client is closed."""

    LATER = "later", "two minutes after the last call"
    AT_ONCE = "at-once", "right after the last call"


class Trust(Dial):
    """What the caller says of keys."""

    NO = "no", "`RetryPolicy()`"
    YES = "yes", "`RetryPolicy(trust_keys=True)`"


class Ids(Dial):
    """What the service's ids look like."""

    PLAIN = "plain", "letters and digits"
    SLASH = "slash", "with a slash: to be escaped in a path"
    ODD = "odd", "with a blank, a question mark and an accent: likewise"


class AutoProceed(Dial):
    """What becomes of a send with `auto_proceed` (contract.md, Contradictions)."""

    REFUSED = "refused", "400 `invalid_parameter` that names it"
    UNNAMED = "unnamed", "400 `invalid_parameter` that names nothing"
    NO_CODE = "no-code", "422 without a code"
    TAKEN = "taken", "accepted"


class Reads(Dial):
    """How every fourth read of a session or video goes wrong."""

    FINE = "fine", "it does not"
    S408 = "408", "408"
    S502 = "502", "502 with a gateway's HTML"
    S403 = "403", "403 with a proxy's HTML"
    GARBAGE = "garbage", "200 with HTML"
    LOST = "lost", "the connection closes without an answer"


class Line(Dial):
    """What the connections are like; only sockets have any."""

    KEPT = "kept", "kept open between requests"
    ONE_EACH = "one-each", "closed after each answer, with `Connection: close`"
    DIES_IDLE = "dies-idle", "every second one is closed as its next request arrives"
    UNREAD = "unread", "every third one is closed before anything is read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """One service: the first value of each dial is the service as one would wish it."""

    echo: Echo = Echo.EXACT
    list_lag: ListLag = ListLag.NONE
    message_lag: MessageLag = MessageLag.NONE
    replicas: Replicas = Replicas.ONE
    shown: Shown = Shown.NEWEST_40
    offset: Offset = Offset.NONE
    date: DateHeader = DateHeader.SENT
    keys: Keys = Keys.NEVER
    write: Write = Write.CREATE
    symptom: Symptom = Symptom.NONE
    when: When = When.BEFORE
    times: Times = Times.ONCE
    hides: Hides = Hides.NOTHING
    others: Others = Others.NOTHING
    history: History = History.FRESH
    leaving: Leaving = Leaving.LATER
    trust: Trust = Trust.NO
    ids: Ids = Ids.PLAIN
    auto_proceed: AutoProceed = AutoProceed.REFUSED
    reads: Reads = Reads.FINE
    line: Line = Line.KEPT

    def turned(self) -> dict[str, Dial]:
        """Return the dials that do not stand at their first value."""
        return {name: value for name, value in settings(self).items() if value is not DEFAULTS[name]}

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.turned().items()) or "(all at rest)"


def settings(dials: Dials) -> dict[str, Dial]:
    """Return all dials by name."""
    return {item.name: cast("Dial", getattr(dials, item.name)) for item in fields(dials)}


def turn(dials: Dials, name: str, word: str) -> Dials:
    """
    Return *dials* with one of them set to a value.

    Raises:
        ValueError: There is no such dial or value.
    """
    if name not in VALUES:
        raise ValueError(f"no dial {name!r}: one of {', '.join(VALUES)}")
    value = next((value for value in VALUES[name] if value == word), None)
    if value is None:
        raise ValueError(f"{name} has no {word!r}: one of {', '.join(VALUES[name])}")
    return replace(dials, **{name: value})  # type: ignore[arg-type]


def parse(words: list[str]) -> Dials:
    """Read `name=value` words, as `str(dials)` writes them."""
    dials = Dials()
    for word in words:
        name, _, value = word.partition("=")
        dials = turn(dials, name, value)
    return dials


DEFAULTS = settings(Dials())
VALUES: dict[str, tuple[Dial, ...]] = {name: tuple(type(value)) for name, value in DEFAULTS.items()}
