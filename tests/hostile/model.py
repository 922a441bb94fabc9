"""
A client that is nothing but careful: it shows that what the verdicts ask for can be done.

It follows the rules for lost answers in the plainest way there is, in steps of a second. It knows nothing of the dials
but what a user would say: whether the session is incognito.
"""

from __future__ import annotations

import html
import json
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import quote

from heygen_async import OutcomeUnknown
from hostile.exchange import Cut, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile.exchange import Answer
    from hostile.service import Service

Likeness = Literal["same", "similar", "other", "unreadable"]
LIKENESSES: Final[tuple[Likeness, ...]] = ("same", "similar", "other", "unreadable")
Row = dict[str, Any]

ROOT: Final = "/v3/video-agents"
BEGINNING: Final = 1_767_225_600.3
WRITE_TIMEOUT: Final = 120.0
LATENCY: Final = 0.2
UNCERTAINTY: Final = 2.0  # of a `Date` and of times in whole seconds
WITHOUT_CLOCK: Final = 330.0  # that the clocks may differ by when no `Date` says how much
MOST_ROWS: Final = 500
ATTEMPTS: Final = 6
LONGEST: Final = 300.0
SHORTEST_CUT: Final = 20
LATER: Final = 60.0

_PLAIN = str.maketrans({"“": '"', "”": '"', "’": "'", "\u200b": None})


class Line:
    """The way to the service, with a clock of its own and the service's as far as it tells."""

    def __init__(self, service: Service, *, trusts_keys: bool = False) -> None:
        self.service = service
        self.trusts_keys = trusts_keys
        self.now = BEGINNING
        self.offset: float | None = None
        self.slack = 0.0  # by so much the offset may be larger

    def ask(
        self, method: str, path: str, body: object = None, key: str = "", token: str = ""
    ) -> Answer | None:
        """Exchange one request; None when no whole answer came."""
        headers = {"x-api-key": "a-key"} | ({"idempotency-key": key} if key else {})
        query = {"token": token} if token else {}
        request = Request(method, path, query, headers, b"" if body is None else json.dumps(body).encode())
        answer = self.service.handle(request, self.now)
        self.now += WRITE_TIMEOUT if answer.cut is Cut.STALLED else LATENCY
        if answer.cut is not None:
            return None
        if "date" in answer.headers:
            self.offset = parsedate_to_datetime(answer.headers["date"]).timestamp() - self.now
        return answer

    def read(self, path: str, token: str = "") -> Row | None:
        """Read, again and again if need be; None when there is no usable answer."""
        for _ in range(3):
            answer = self.ask("GET", path, token=token)
            body = _json(answer) if answer is not None and answer.status == 200 else None
            if body is not None:
                return body
        return None

    def write(self, path: str, body: object, key: str) -> Row | float | None:
        """Send one attempt: what it made, seconds to wait before the next, or None: the outcome is unknown."""
        answer = self.ask("POST", path, body, key)
        body = None if answer is None else _json(answer)
        if answer is None or body is None:
            return None
        if answer.status == 409 and body["error"]["code"] == "request_in_progress":
            return float(answer.headers["retry-after"])
        made: Row = (body.get("data") or {}) if answer.status == 200 else {}
        return made if made.get("session_id") not in {"", "..", None} else None


@dataclass
class Found:
    """
    What the searches for a lost create have found so far.

    `adrift`: sessions whose time means nothing, since the service's clock is not known.
    """

    likeness: dict[str, Likeness] = field(default_factory=dict[str, "Likeness"])
    adrift: set[str] = field(default_factory=set[str])
    lags: bool = False
    is_whole: bool = False


class Creator:
    """Makes sessions, each once."""

    def __init__(self, line: Line, *, is_incognito: bool) -> None:
        self._line = line
        self._is_incognito = is_incognito
        self._own: dict[str, int] = {}  # with the service's time of their creation
        self._echoes_exactly = False
        self.again: list[tuple[str, float, float]] = []  # prompts that were sent again, from when, until when

    def learn(self, session_id: str, prompt: str) -> None:
        """See from a session of our own how prompts come back."""
        shown = self._likeness(session_id, prompt)
        if shown != "unreadable":
            self._echoes_exactly = shown == "same"

    def create(self, prompt: str, key: str, **options: object) -> str:
        """
        Make one session.

        Raises:
            OutcomeUnknown: It may have been made.
        """
        began = self._line.now
        found = Found()
        for attempt in range(ATTEMPTS):
            if attempt and self._line.now > began + LONGEST:
                break
            made = self._line.write(ROOT, {"prompt": prompt, "mode": "chat", **options}, key)
            if isinstance(made, float | int):
                self._line.now += made
                continue
            if made is None and self._line.trusts_keys:
                continue
            found = Found()
            body: Row = {} if made is None else made
            session_id = body.get("session_id") or self._recovered(prompt, key, began, found)
            if session_id is not None:
                self._own[session_id] = self._created_at(body, began if attempt else self._line.now)
                self._sent_again(prompt, began, attempt)
                return session_id
        self._sent_again(prompt, began, ATTEMPTS)
        raise self._doubt(key, began, found)

    def _created_at(self, made: Row, earliest: float) -> int:
        at = int(made.get("created_at", 0))
        if self._line.offset is None and at:
            # A replayed answer is from an earlier attempt.
            self._line.offset, self._line.slack = at - self._line.now, self._line.now - earliest
        return at

    def _sent_again(self, prompt: str, began: float, attempt: int) -> None:
        if attempt and not self._line.trusts_keys:
            self.again.append((prompt, began, self._line.now))

    def _recovered(self, prompt: str, key: str, began: float, found: Found) -> str | None:
        """Look for it until it must have shown; None when it is not there."""
        until = self._line.now + self._line.service.pace.settle
        while True:
            self._search(prompt, began, found)
            ours = [one for one, like in found.likeness.items() if like in {"same", "similar"}]
            unclear = [one for one, like in found.likeness.items() if like == "unreadable"]
            if len(ours) == 1 and not unclear and not found.adrift:
                return ours[0]
            if self._line.now >= until:
                break
            self._line.now += 1.0
        others = bool(found.likeness) and not self._echoes_exactly
        if ours or unclear or others or self._is_incognito or found.lags or not found.is_whole:
            raise self._doubt(key, began, found)
        return None

    def _search(self, prompt: str, began: float, found: Found) -> None:
        newest_own = max(self._own.items(), key=lambda item: item[1], default=None)
        listed: set[str] = set()
        found.is_whole = False
        for row in self._rows():
            earliest = self._earliest(began)  # known better once an answer has given the service's time
            horizon = earliest if newest_own is None else min(earliest, newest_own[1])
            if row is None or row["created_at"] < horizon:
                found.is_whole = True
                break
            listed.add(row["session_id"])
            if row["session_id"] not in self._own and row["created_at"] >= earliest:
                self._compare(row, prompt, began, found)
        found.lags |= found.is_whole and newest_own is not None and newest_own[0] not in listed

    def _earliest(self, began: float) -> float:
        offset = self._line.offset
        return began - WITHOUT_CLOCK if offset is None else began + offset - UNCERTAINTY

    def _compare(self, row: Row, prompt: str, began: float, found: Found) -> None:
        session_id = row["session_id"]
        if found.likeness.get(session_id, "unreadable") == "unreadable":
            found.likeness[session_id] = self._likeness(session_id, prompt)
        if self._line.offset is None and not began <= row["created_at"] <= self._line.now:
            found.adrift.add(session_id)

    def _rows(self) -> Iterator[Row | None]:
        """The rows of the list, newest first, then None; it ends without one when the list cannot be read whole."""
        token, count = "", 0
        while count < MOST_ROWS:
            page = self._line.read(ROOT, token)
            if page is None:
                return
            yield from page["data"]
            count += len(page["data"])
            if not page["has_more"]:
                yield None
                return
            token = page["next_token"]

    def _likeness(self, session_id: str, prompt: str) -> Likeness:
        body = self._line.read(f"{ROOT}/{escaped(session_id)}")
        texts = [row["content"] for row in body["data"]["messages"] if row["role"] == "user"] if body else []
        found = {likeness(text, prompt) for text in texts}
        for one in LIKENESSES:
            if one in found:
                return one
        return "unreadable"

    def _doubt(self, key: str, began: float, found: Found) -> OutcomeUnknown:
        candidates = tuple(one for one, like in found.likeness.items() if like != "other") or tuple(
            found.likeness
        )
        return OutcomeUnknown(
            "It may have been made.",
            idempotency_key=key,
            started_at=datetime.fromtimestamp(began, UTC),
            candidates=candidates,
        )

    def search_again(self) -> list[str]:
        """Look once more for what was sent again, and return what turned up."""
        orphans: list[str] = []
        for prompt, began, until in self.again:
            self._line.now = max(self._line.now, until + LATER)
            found = Found()
            self._search(prompt, began, found)
            orphans += [one for one, like in found.likeness.items() if like in {"same", "similar"}]
        return orphans


def likeness(shown: str, sent: str) -> Likeness:
    """Compare what a service shows with what was sent to it."""
    if not shown.strip():
        return "unreadable"
    if shown == sent:
        return "same"
    ours, theirs = _plain(sent), _plain(shown)
    beginning = theirs.removesuffix("...")
    is_cut = len(beginning) >= SHORTEST_CUT and ours.startswith(beginning)
    return "similar" if theirs.endswith(ours) or is_cut else "other"


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", html.unescape(text).translate(_PLAIN)).split())


def escaped(session_id: str) -> str:
    """An id as a segment of a path."""
    return quote(session_id, safe="")


def _json(answer: Answer) -> Row | None:
    try:
        body: object = json.loads(answer.body)
    except ValueError:
        return None
    return cast("Row", body) if isinstance(body, dict) else None
