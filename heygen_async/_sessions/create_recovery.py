"""
Finds out what a create with a lost answer made, so that it is neither lost nor paid for twice (design §3.3).

The service honours `Idempotency-Key` on some endpoints only, so what it shows of its sessions is the evidence. The
decision is `match_create`; here the sessions are read. Messages have `send_recovery.py`.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import _clock
from .._api import sessions as session_api
from .._redact import clean
from ..errors import HeyGenError, OutcomeUnknown
from ..models import SessionData, SessionStatus
from .evidence import (
    BUSY,
    KEYS_TRUSTED,
    SHORTEST_WAIT,
    SKEW,
    SWITCHED_OFF,
    UNREADABLE_TIMES,
    is_busy,
    outcome_unknown,
    read_pauses,
    unless_failing,
)
from .listing import OLD_PAGES, PAGES, read_listing, user_texts
from .matching import Adopt, Ambiguous, Found, Verdict, compare_prompt, match_create
from .own_sessions import OwnSessions

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from .._http.client import ApiClient
    from .._http.writes import PendingWrite
    from .listing import Listing

_LAG_TIMES = 3  # an absence counts after so many times the lag that the list has shown
_TEXTS_KEPT = 1000


class PendingCreate:
    """
    A create that is under way, among those of the same prompt.

    Attributes:
        prompt: Its prompt, to the letter.
        write: What is known of the request.
        is_listed: Whether the service lists what it makes.
        is_inherited: Whether an earlier process began it.
        began: When it began, in Unix seconds of our clock.
        ended: When it ended in doubt, on the same clock.
        lag: For how long the list has been seen to lack a session of ours.
    """

    __slots__ = ("_started", "began", "ended", "is_inherited", "is_listed", "lag", "prompt", "write")

    def __init__(
        self, prompt: str, write: PendingWrite[SessionData], began: float | None, *, is_listed: bool
    ) -> None:
        self.prompt = prompt
        self.write = write
        self.is_listed = is_listed
        self.is_inherited = began is not None
        self.began = _clock.wall() if began is None else began
        self.ended = self.began
        self.lag = 0.0
        self._started = _clock.now() - (_clock.wall() - self.began)

    @property
    def name(self) -> str:
        """What creates that may be confused have in common."""
        return " ".join(self.prompt.split())

    def first_moment(self, offset: tuple[float, float] | None) -> tuple[float, float]:
        """
        Return from when on a session may be ours, in the service's time, and from when on it may be taken.

        Between the two lies what cannot be excluded because the clocks are not known well enough.
        """
        sent_at = self.write.sent_at
        started = self._started if self.is_inherited or sent_at is None else sent_at
        if offset is None:
            here = self.began + (started - self._started)
            return here - SKEW, math.floor(here)
        start = math.floor(started + offset[0])
        return (start - SKEW if self.is_inherited else start), start  # its clock was another machine's, maybe


class CreateRecovery:
    """
    Which sessions this client has, and which creates are under way.

    Identical creates are interchangeable, so those of one prompt are recovered together: each waits until no sibling
    is under way, then takes a session that is not owned. One that ended in doubt may have left its session behind:
    for a while no other takes one of that prompt.
    """

    def __init__(self, api: ApiClient) -> None:
        self.own: OwnSessions = OwnSessions()
        self._api = api
        self._pending: dict[str, list[PendingCreate]] = {}
        self._lost: list[PendingCreate] = []
        self._texts: dict[str, list[str]] = {}

    @contextmanager
    def track(self, create: PendingCreate) -> Generator[None]:
        """Keep a create among its siblings while it is under way."""
        self._pending.setdefault(create.name, []).append(create)
        try:
            yield
        except BaseException:
            if create.write.may_exist:
                create.ended = _clock.wall()
                self._lost = [lost for lost in self._lost if lost.ended > create.ended - 2 * SKEW]
                self._lost.append(create)
            raise
        finally:
            siblings = self._pending[create.name]
            siblings.remove(create)
            if not siblings:
                del self._pending[create.name]

    async def recover(self, create: PendingCreate, error: HeyGenError) -> SessionData | None:
        """
        Return the session a create in doubt has made, None when it has made none.

        Raises:
            OutcomeUnknown: The evidence does not tell; it names the sessions that may be it.
        """
        policy, write = self._api.retry, create.write
        if policy.settle == "raise":
            raise outcome_unknown(write, create.began, SWITCHED_OFF) from error
        if policy.trust_keys and not write.is_abandoned and not create.is_inherited:
            raise outcome_unknown(write, create.began, KEYS_TRUSTED) from error
        try:
            made = await self._search(create)
        except OutcomeUnknown:
            raise
        except HeyGenError as problem:
            why = f"reading failed: {clean(str(problem))}"
            raise outcome_unknown(write, create.began, why) from error
        if made is None and is_busy(error):
            raise outcome_unknown(write, create.began, BUSY) from error
        return made

    async def _search(self, create: PendingCreate) -> SessionData | None:
        await self._wait_for_siblings(create)
        policy, began = self._api.retry, _clock.now()
        seen: tuple[str, ...] = ()
        for count, wait in enumerate(read_pauses()):
            listing = await self._read_listing(create)
            found = None if listing is None else await self._unowned(create, listing)
            echoes_exactly = any(one.likeness in ("other", "similar") for one in found or ()) and (
                await self.own.echoes_exactly(self._api)
            )
            if self._has_sibling_under_way(create):
                await self._wait_for_siblings(create)
                continue  # what it makes must not be taken for ours
            # From here to the claim nothing is awaited, so no two creates take the same session.
            found = None if found is None else [one for one in found if one.session_id not in self.own]
            verdict = (
                Verdict.UNREADABLE
                if found is None
                else self._match(create, found, echoes_exactly=echoes_exactly)
            )
            seen = tuple(one.session_id for one in found or () if one.likeness != "other") or seen
            elapsed = _clock.now() - began
            is_late = count > 0 and elapsed >= policy.settle_time
            if isinstance(verdict, Adopt) and (verdict.found.likeness == "same" or is_late):
                return await self._adopt(create, verdict.found)
            if is_late and isinstance(verdict, Ambiguous):
                raise outcome_unknown(create.write, create.began, verdict.why, verdict.candidates)
            if is_late and verdict is Verdict.ABSENT:
                why = self._objection(create, listing, elapsed)
                if why is None:
                    return None
            else:
                why = "the newest sessions cannot be read"
            if count and elapsed >= self._patience(create):
                raise outcome_unknown(create.write, create.began, why, seen)
            await _clock.sleep(wait)
        return None

    def _match(
        self, create: PendingCreate, found: Sequence[Found], *, echoes_exactly: bool
    ) -> Adopt | Ambiguous | Verdict:
        return match_create(
            found,
            pending=sum(other.write.is_recovering for other in self._pending[create.name]),
            interchangeable=self._is_interchangeable(create),
            echoes_exactly=echoes_exactly,
            others_count=not (echoes_exactly or create.is_inherited),
        )

    def _objection(self, create: PendingCreate, listing: Listing | None, elapsed: float) -> str | None:
        """Say why a session that is not in the list may be there all the same; None when it is not there."""
        if not create.is_listed:
            return "the service need not list a session in incognito mode"
        if listing is None or not listing.is_whole:
            return f"the newest {PAGES * 100} sessions could not be read whole"
        if elapsed < _LAG_TIMES * create.lag:
            return "the list of sessions lags"
        return None

    def _patience(self, create: PendingCreate) -> float:
        """Return for how long to read what may be readable soon; an abandoned create is in no hurry."""
        policy = self._api.retry
        if create.write.is_abandoned:
            return max(policy.max_elapsed, policy.settle_time)
        return UNREADABLE_TIMES * policy.settle_time

    # -- siblings --

    async def _wait_for_siblings(self, create: PendingCreate) -> None:
        while self._has_sibling_under_way(create):
            await _clock.sleep(SHORTEST_WAIT)

    def _has_sibling_under_way(self, create: PendingCreate) -> bool:
        return any(
            other.write.may_exist and not other.write.is_recovering
            for other in self._pending[create.name]
            if other is not create
        )

    def _is_interchangeable(self, create: PendingCreate) -> bool:
        """Whether any session found may be given to any create: all are the same request, and none ended in doubt."""
        recovering = [other for other in self._pending[create.name] if other.write.is_recovering]
        lost = [
            lost for lost in self._lost if lost.name == create.name and lost.ended > create.began - 2 * SKEW
        ]
        return len({other.write.call.body for other in recovering}) == 1 and not lost

    # -- reading --

    async def _read_listing(self, create: PendingCreate) -> Listing | None:
        earliest, _ = create.first_moment(self._api.service_clock.offset())
        pages = OLD_PAGES if create.is_inherited else PAGES
        listing = await read_listing(self._api, earliest, pages=pages)
        if listing is not None:
            create.lag = max(create.lag, self.own.lag(listing))
        return listing

    async def _unowned(self, create: PendingCreate, listing: Listing) -> list[Found]:
        """Return the sessions that may be ours, those first that are more likely."""
        earliest, takeable = create.first_moment(self._api.service_clock.offset())
        found: list[Found] = []
        for row in listing.rows:
            if row.created_at >= earliest and row.session_id not in self.own:
                texts = await self._user_texts(row.session_id)
                found.append(
                    Found(
                        row.session_id,
                        compare_prompt(create.prompt, texts),
                        is_longer=any(len(text) > len(create.prompt) for text in texts),
                        is_before=row.created_at < takeable,
                        created_at=row.created_at,
                    )
                )
        return sorted(found, key=lambda one: (one.is_before, one.likeness != "same"))

    async def _user_texts(self, session_id: str) -> list[str]:
        """Return what a session shows of its user, which is nothing while it cannot be read."""
        if session_id not in self._texts:
            answer = await unless_failing(self._api.call(session_api.session(session_id)))
            texts = [] if answer is None else user_texts(answer.data.messages)
            if not any(text.strip() for text in texts):
                return self._texts.get(session_id, [])  # a sibling may have had more luck meanwhile
            self._texts[session_id] = texts
            for old in list(self._texts)[:-_TEXTS_KEPT]:
                del self._texts[old]
        return self._texts.get(session_id, [])

    async def _adopt(self, create: PendingCreate, found: Found) -> SessionData:
        self.own.add(found.session_id)
        self.own.adopters[found.session_id] = create.write.call.key
        self.own.record_echo(create.prompt, self._texts.pop(found.session_id, []))
        try:
            return (await self._api.call(session_api.session(found.session_id))).data
        except HeyGenError:
            # The id is what must not be lost; the first poll will show the rest.
            return SessionData(
                session_id=found.session_id, status=SessionStatus.THINKING, created_at=found.created_at
            )

    # -- afterwards --

    async def find_duplicates(self, creates: Iterable[PendingCreate]) -> list[tuple[PendingCreate, Found]]:
        """
        Return what creates that were sent twice have left behind; each is this client's from now on.

        Raises:
            HeyGenError: The list cannot be read.
        """
        duplicates: list[tuple[PendingCreate, Found]] = []
        for create in creates:
            listing = await self._read_listing(create)
            for found in [] if listing is None else await self._unowned(create, listing):
                if found.likeness in ("same", "similar") and found.session_id not in self.own:
                    self.own.add(found.session_id)
                    duplicates.append((create, found))
        return duplicates
