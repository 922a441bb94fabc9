"""
Finds out what a create with a lost answer made, so that it is neither lost nor paid for twice (design §3.3).

The service honours `Idempotency-Key` on some endpoints only, so what it shows of its sessions is the evidence. The
decision is `match_create`; here the sessions are read. Messages have `send.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec import Struct, field

from .. import _clock
from .._api import sessions as session_api
from .._http.open_writes import PendingWrite
from ..errors import HeyGenError
from ..models import SessionData, SessionStatus
from . import evidence
from .matching import Doubt, Found, candidates, compare_prompt, match_create
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from .._http.client import ApiClient
    from .._polling.scheduler import PollScheduler

_MISSES = 4  # readings in a row that show nothing of a session after which it was deleted
_TEXTS_KEPT = 1000


class _Sighting(Struct):
    """A session that some listing has shown, and how often in a row nothing has shown it since."""

    created_at: int
    misses: int = 0


class PendingCreate(Struct, eq=False, kw_only=True):
    """
    A create that is under way, among those of the same prompt.

    Attributes:
        prompt: Its prompt, to the letter.
        write: What is known of the request.
        is_listed: Whether the service lists what it makes.
        has_files: Whether files were sent with the prompt.
        is_inherited: Whether an earlier process began it.
        on_orphan: Also gets what it has made and no caller has got.
        ended: When it ended in doubt, in Unix seconds of our clock.
        lag: For how long the list has been seen to lack a session of ours.
        seen: The sessions that any listing has shown, to it or a sibling: what one replica lacks is there all the same.
    """

    prompt: str
    write: PendingWrite[SessionData]
    is_listed: bool
    has_files: bool
    is_inherited: bool
    on_orphan: Callable[[Session], None] | None
    lag: float = 0.0
    ended: float = 0.0
    seen: dict[str, _Sighting] = field(default_factory=dict[str, _Sighting])
    _started: float = 0.0

    def __post_init__(self) -> None:
        self._started = _clock.now() - (_clock.wall() - self.write.began)

    @property
    def name(self) -> str:
        """What creates that may be confused have in common."""
        return " ".join(self.prompt.split())

    @property
    def digest(self) -> bytes:
        """What identical creates have in common."""
        body = self.write.call.body
        return blake2b(body if isinstance(body, bytes) else b"", digest_size=16).digest()

    def first_moment(self, offset: tuple[float, float] | None) -> tuple[float, float]:
        """
        Return from when on a session may be ours, in the service's time, and from when on it may be taken.

        Between the two lies what cannot be excluded because the clocks are not known well enough.
        """
        sent_at = self.write.sent_at
        started = self._started if self.is_inherited or sent_at is None else sent_at
        if offset is None:
            here = self.write.began + (started - self._started)
            return here - evidence.SKEW, math.floor(here)
        start = math.floor(started + offset[0])
        # The clock of an inherited one was another machine's, maybe.
        return start - evidence.SKEW if self.is_inherited else start, start


class CreateRecovery:
    """
    Which sessions this client has, and which creates are under way.

    Identical creates are interchangeable, so those of one prompt are recovered together: each waits until no sibling
    is under way, then takes a session that is not owned. One that ended in doubt may have left its session behind:
    for a while no other takes one of that prompt.

    Attributes:
        prompts_elsewhere: Prompts of creates in doubt that may be recovered later, or by another process.
    """

    def __init__(self, api: ApiClient, scheduler: PollScheduler) -> None:
        self.own: evidence.OwnSessions = evidence.OwnSessions(scheduler)
        self._scheduler = scheduler
        self.prompts_elsewhere: Collection[str] = ()
        self._api = api
        self._pending: dict[str, list[PendingCreate]] = {}
        self._lost: list[PendingCreate] = []
        self._texts: dict[str, list[str]] = {}

    @contextmanager
    def track(self, create: PendingCreate) -> Generator[None]:
        """Keep a create among its siblings while it is under way."""
        siblings = self._pending.setdefault(create.name, [])
        if siblings:
            create.seen = siblings[0].seen
        siblings.append(create)
        self._announce(create.name)
        try:
            yield
        except BaseException:
            if create.write.may_exist:
                create.ended = _clock.wall()
                self._lost = [lost for lost in self._lost if lost.ended > create.ended - 2 * evidence.SKEW]
                self._lost.append(create)
            raise
        finally:
            siblings = self._pending[create.name]
            siblings.remove(create)
            self._announce(create.name)
            if not siblings:
                del self._pending[create.name]

    async def recover(self, create: PendingCreate) -> SessionData | None:
        """
        Return the session a create in doubt has made, None when it has made none.

        Raises:
            OutcomeUnknown: The evidence does not tell; it names the sessions that may be it.
        """
        try:
            return await self._recover(create)
        finally:
            self._announce(create.name, but=create)

    async def _recover(self, create: PendingCreate) -> SessionData | None:
        self._announce(create.name)
        await self._wait_for_siblings(create)
        began, settle_time = _clock.now(), self._api.retry.settle_time
        for count, wait in enumerate(evidence.read_pauses()):
            self._announce(create.name)
            listing = await self._read_listing(create)
            found = await self._read_unowned(create, listing)
            is_changed = any(one.likeness in ("other", "similar") for one in found)
            echoes_exactly = is_changed and await self.own.echoes_exactly(self._api)
            if self._has_sibling_under_way(create):
                await self._wait_for_siblings(create)
                continue  # what it makes must not be taken for ours
            # From here to the claim nothing is awaited, so no two creates take the same session.
            elapsed = _clock.now() - began
            decision = self._decide(create, listing, found, elapsed, echoes_exactly=echoes_exactly)
            is_late = count > 0 and elapsed >= settle_time
            if isinstance(decision, Found):
                # Rows may have moved while one listing was read; and without the service's time what was made just
                # before ours looks like ours, which a list that lags may not have yet.
                has_time = create.is_inherited or self._api.service_clock.offset() is not None
                may_take = is_late or (count > 0 and decision.likeness == "same" and has_time)
                if may_take and await self.own.claim(decision.session_id):
                    return await self._adopt(create, decision)
            elif is_late:
                if decision is None:
                    return None
                if not decision.may_pass or elapsed >= self._patience(create):
                    raise create.write.outcome_unknown(decision.why)
            await _clock.sleep(wait)
        return None

    def _decide(
        self,
        create: PendingCreate,
        listing: evidence.Listing | None,
        found: list[Found],
        elapsed: float,
        *,
        echoes_exactly: bool,
    ) -> Found | Doubt | None:
        """Decide from one reading, and from what those before it have shown."""
        found = [
            one
            for one in found
            if one.session_id not in self.own
            # Where the service is known to echo exactly, what has more words is not ours.
            and not (echoes_exactly and one.likeness == "similar" and one.is_longer)
        ]
        others_count = not (echoes_exactly or create.is_inherited)
        create.write.candidates = candidates(found, others_count=others_count)
        if listing is None:
            return Doubt("the newest sessions cannot be read", may_pass=True)
        match = match_create(
            found,
            pending=len(self._doubts(create.name)),
            interchangeable=self._is_interchangeable(create),
            others_count=others_count,
            has_files=create.has_files,
        )
        if match is not None:
            return match
        if not create.is_listed:
            return Doubt("the service need not list a session in incognito mode")
        if not listing.is_whole:
            return Doubt(f"the newest {evidence.PAGES * 100} sessions could not be read whole", may_pass=True)
        if elapsed < evidence.LAG_TIMES * create.lag:
            return Doubt("the list of sessions lags", may_pass=True)
        return None

    def _patience(self, create: PendingCreate) -> float:
        """Return for how long to read what may be readable soon; an abandoned create is in no hurry."""
        policy = self._api.retry
        if create.write.is_abandoned:
            return max(policy.max_elapsed, policy.settle_time)
        return evidence.PATIENCE_TIMES * policy.settle_time

    # -- siblings --

    async def _wait_for_siblings(self, create: PendingCreate) -> None:
        while self._has_sibling_under_way(create):
            await _clock.sleep(evidence.SHORTEST_WAIT)

    def _has_sibling_under_way(self, create: PendingCreate) -> bool:
        return self._scheduler.sharing.creates.is_under_way_elsewhere(create.name) or any(
            other.write.may_exist and not other.write.is_recovering
            for other in self._pending[create.name]
            if other is not create
        )

    def _is_interchangeable(self, create: PendingCreate) -> bool:
        """Whether any session found may be given to any create: all are the same request, and none ended in doubt."""
        since = create.write.began - 2 * evidence.SKEW
        has_lost = any(lost.name == create.name and lost.ended > since for lost in self._lost)
        return not has_lost and len(set(self._doubts(create.name))) == 1

    def _doubts(self, name: str) -> list[bytes]:
        """Return the digests of the creates of a name that are recovered, here or in another process."""
        here = [one.digest for one in self._pending[name] if one.write.is_recovering]
        return [*here, *self._scheduler.sharing.creates.doubts_elsewhere(name)]

    def _announce(self, name: str, *, but: PendingCreate | None = None) -> None:
        pending = [one for one in self._pending[name] if one is not but]
        doubts = [one.digest for one in pending if one.write.is_recovering]
        under_way = len(pending) - len(doubts)
        self._scheduler.sharing.creates.announce_pending(name, doubts=doubts, under_way=under_way)

    # -- reading --

    async def _read_listing(self, create: PendingCreate) -> evidence.Listing | None:
        earliest, _ = create.first_moment(self._api.service_clock.offset())
        pages = evidence.OLD_PAGES if create.is_inherited else evidence.PAGES
        listing = await evidence.read_listing(self._api, earliest, pages=pages)
        if listing is not None:
            create.lag = max(create.lag, self.own.lag(listing))
            for row in listing.rows.values():
                create.seen.setdefault(row.session_id, _Sighting(row.created_at)).misses = 0
        return listing

    async def _read_unowned(self, create: PendingCreate, listing: evidence.Listing | None) -> list[Found]:
        """Return the sessions that may be ours, those first that are more likely."""
        earliest, takeable = create.first_moment(self._api.service_clock.offset())
        found: list[Found] = []
        for session_id, sighting in list(create.seen.items()):
            if sighting.created_at < earliest or session_id in self.own:
                continue
            texts = await self._user_texts(session_id)
            if texts is None and listing is not None and session_id not in listing.rows:
                sighting.misses += 1
            if sighting.misses < _MISSES:
                likeness = compare_prompt(create.prompt, texts or ())
                if likeness == "similar" and self._is_of_another(create, texts or ()):
                    likeness = "other"
                found.append(
                    Found(
                        session_id,
                        likeness,
                        is_longer=any(len(text) > len(create.prompt) for text in texts or ()),
                        is_before=sighting.created_at < takeable,
                        created_at=sighting.created_at,
                    )
                )
        return sorted(found, key=lambda one: (one.is_before, one.likeness != "same", -one.created_at))

    def _is_of_another(self, create: PendingCreate, texts: Sequence[str]) -> bool:
        """Whether a session shows the prompt of another create in doubt ("Film 12" is like "Film 1")."""
        pending = [siblings[0].prompt for name, siblings in self._pending.items() if name != create.name]
        others = {*pending, *self.prompts_elsewhere} - {create.prompt}
        return any(compare_prompt(other, texts) == "same" for other in others)

    async def _user_texts(self, session_id: str) -> list[str] | None:
        """Return what a session shows of its user; None while it cannot be read."""
        if session_id not in self._texts:
            texts = await evidence.read_user_texts(self._api, session_id)
            if not texts:
                return self._texts.get(session_id, texts)  # a sibling may have had more luck meanwhile
            self._texts[session_id] = texts
            for old in list(self._texts)[:-_TEXTS_KEPT]:
                del self._texts[old]
        return self._texts[session_id]

    async def _adopt(self, create: PendingCreate, found: Found) -> SessionData:
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

    async def find_duplicates(self, create: PendingCreate) -> list[str]:
        """
        Return the sessions that a create that was sent twice has left behind; they are this client's from now on.

        Raises:
            HeyGenError: The list cannot be read.
        """
        listing = await self._read_listing(create)
        found = await self._read_unowned(create, listing)
        if any(one.likeness is None for one in found):
            found = await self._read_unowned(create, listing)  # one read that fails must not hide a session
        duplicates = [
            one.session_id
            for one in found
            if one.likeness in ("same", "similar")
            and one.session_id not in self.own
            and one.session_id not in create.write.candidates
        ]
        for session_id in duplicates:
            self.own.add_made(session_id)
        return duplicates
