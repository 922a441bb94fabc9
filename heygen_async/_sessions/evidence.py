"""
What recoveries of creates and sends go by: the account's newest sessions, and how the service shows our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from .. import _clock
from .._api import sessions as session_api
from .._http.retry import Delivery, delivery, waits
from ..errors import HeyGenError, NotFound
from ..models import SessionSummary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    from .._http.client import ApiClient
    from .._polling.scheduler import PollScheduler

T = TypeVar("T")

SKEW: Final = 330.0  # seconds the service's clock may be off from ours, where its answers do not tell
PATIENCE_TIMES: Final = 3  # times the settle time for what is there and cannot be read
LAG_TIMES: Final = 3  # an absence counts after so many times the lag that reads have shown
SHORTEST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 4.0

PAGES: Final = 5  # of a hundred
OLD_PAGES: Final = 200  # when an earlier process began the create: more than a batch makes in a day


def read_pauses() -> Iterator[float]:
    """Yield the seconds between two reads."""
    return waits(SHORTEST_WAIT, _LONGEST_WAIT)


async def unless_failing(asking: Awaitable[T]) -> T | None:
    """Return the answer; None when there is none now that may be there soon."""
    try:
        return await asking
    except HeyGenError as error:
        if delivery(error) is Delivery.FINAL and not isinstance(error, NotFound):
            raise
        return None


async def read_user_texts(api: ApiClient, session_id: str) -> list[str] | None:
    """Return the texts a session shows of its user, but for blank ones; None while it cannot be read."""
    answer = await unless_failing(api.call(session_api.session(session_id)))
    if answer is None:
        return None
    return [
        message.content
        for message in answer.data.messages
        if message.role == "user" and message.content.strip()
    ]


class Listing(Struct, frozen=True):
    """
    One reading of the list of sessions.

    Attributes:
        rows: The sessions by id, newest first.
        is_whole: Whether nothing that is newer than the moment asked for was left out.
    """

    rows: Mapping[str, SessionSummary]
    is_whole: bool


async def read_listing(api: ApiClient, since: float, *, pages: int = PAGES) -> Listing | None:
    """Read the sessions made since a moment of the service's time; None while the list cannot be read."""
    rows: dict[str, SessionSummary] = {}
    skipped = 0  # a row that cannot be read may be the one that is searched for
    token: str | None = None
    tokens: set[str] = set()
    for _ in range(pages):
        page = await unless_failing(api.call(session_api.sessions(limit=100, token=token)))
        if page is None:
            return None
        rows |= {row.session_id: row for row in page.data}
        skipped += page.skipped
        token = page.next_page
        if token is None or any(row.created_at < since for row in page.data):
            return Listing(rows, is_whole=not skipped)
        if token in tokens:
            break
        tokens.add(token)
    return Listing(rows, is_whole=False)


# ---- our own sessions ---------------------------------------------------------------------------------------------

_REMEMBERED = 3600.0  # seconds a session stays known as ours: longer than any create can take to be recovered
_SAMPLES = 20
_READ_FOR_ECHO = 3


class OwnSessions:
    """
    Which sessions this client has: they are not taken for those of lost creates, and tell how the service behaves.

    Nor are those that other processes on a backplane are known to have made.

    Attributes:
        adopters: The keys of creates that took over a session instead of getting it as their answer.
    """

    def __init__(self, scheduler: PollScheduler) -> None:
        self.adopters: dict[str, str | None] = {}
        self._owned: dict[str, float] = {}
        self._scheduler = scheduler
        self._created: dict[str, tuple[str, float, float]] = {}  # prompt, the service's time, the loop's time
        self._exact: bool | None = None

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._owned or self._scheduler.sharing.creates.is_elsewhere(session_id)

    def add_made(self, session_id: str) -> None:
        """Take a session that this client has made, so that no other process takes it."""
        self.add(session_id)
        self._scheduler.sharing.creates.announce_made(session_id)

    async def claim(self, session_id: str) -> bool:
        """Take a session that this client may have made, unless another process has been quicker."""
        self.add(session_id)  # at once, so no two creates here take it
        if await self._scheduler.sharing.creates.claim(session_id):
            self.add_made(session_id)
            return True
        del self._owned[session_id]
        return False

    def add(self, session_id: str) -> None:
        """Take a session as this client's."""
        now = _clock.wall()
        self._owned[session_id] = now
        for old, since in list(islice(self._owned.items(), 2)):
            if since < now - _REMEMBERED:
                del self._owned[old]
                self.adopters.pop(old, None)

    def record_create(self, session_id: str, prompt: str, created_at: float, *, is_listed: bool) -> None:
        """Take what the service answered to a create: what its list and its messages show can be held against it."""
        self.add_made(session_id)
        self._created[session_id] = prompt, created_at if is_listed else 0.0, _clock.now()
        for old in list(self._created)[:-_SAMPLES]:
            del self._created[old]

    def lag(self, listing: Listing) -> float:
        """Return for how long at least a session of ours has been missing from the list; 0 when none is."""
        oldest = min((row.created_at for row in listing.rows.values()), default=math.inf)
        now, missing_for = _clock.now(), 0.0
        for session_id, (_, at, known) in self._created.items():
            is_due = at and now - known < _REMEMBERED and (listing.is_whole or at > oldest)
            if is_due and session_id not in listing.rows:
                missing_for = max(missing_for, now - known)
        return missing_for

    def record_echo(self, sent: str, shown: Sequence[str]) -> None:
        """Take how the service shows a prompt of ours."""
        if shown:
            self._exact = sent in shown and self._exact is not False

    async def echoes_exactly(self, api: ApiClient) -> bool:
        """Whether the service shows the prompts of our own sessions to the letter; reads one if need be."""
        for session_id, (prompt, _, _) in list(self._created.items())[::-1][:_READ_FOR_ECHO]:
            if self._exact is not None:
                break
            self.record_echo(prompt, await read_user_texts(api, session_id) or ())
        return self._exact is True
