"""
Finds out what a create with a lost answer made, so that it is neither lost nor paid for twice (design §3.3).

The service honours `Idempotency-Key` on some endpoints only, so the sessions themselves are asked. The decision is
`_retry.settle_create`; this file keeps who owns what and does the reading. Messages are in `send_recovery.py`.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from .. import _clock
from .._api import sessions as session_api
from .._http.retry import IN_PROGRESS, Delivery, delivery, waits
from .._redact import clean
from ..errors import Conflict, HeyGenError, NotFound, OutcomeUnknown
from ..models import SentMessage, SessionData, SessionStatus
from .matching import Adopt, Found, Look, Unclear, settle_create

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Sequence

    from .._http.client import ApiClient
    from .._http.writes import PendingWrite
    from ..models import SessionSummary

T = TypeVar("T")

SKEW = 330.0  # seconds the service's clock may be off from ours
_REMEMBERED = 3600.0  # seconds a session stays known as ours: longer than any create can take to settle
UNREAD = 3  # times the settle time for sessions that are there but cannot be read
_PAGES = 5
_OLD_PAGES = 200  # when an earlier process began it: more than a batch makes in a day
BUSY = "the service is still busy with it"
LOOK_AGAIN = 0.25
LONGEST_WAIT = 4.0


class PendingCreate:
    """One create on its way, among those of the same prompt; it may have been begun by an earlier process."""

    __slots__ = ("began", "ended", "is_inherited", "prompt", "write")

    def __init__(self, prompt: str, write: PendingWrite[SessionData], began: float | None) -> None:
        self.prompt = prompt.strip()  # as the service may show it
        self.write = write
        self.is_inherited = began is not None
        self.began = _clock.wall() if began is None else began  # Unix seconds, our clock
        self.ended = self.began


class CreateRecovery:
    """
    Which sessions this client has, and which creates are on their way.

    Identical creates are interchangeable, so those of one prompt settle together: each waits until no sibling is on
    its way, then takes a session nobody owns. One that ended without knowing its session may have left it behind:
    for a while nobody else takes one of that prompt.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._owned: dict[str, float] = {}
        self._adopters: dict[str, str | None] = {}
        self._flights: dict[str, list[PendingCreate]] = {}
        self._lost: list[PendingCreate] = []
        self._first_words: dict[str, str] = {}

    def own(self, session_id: str) -> None:
        """Note a session as this client's."""
        now = _clock.wall()
        self._owned[session_id] = now
        self._first_words.pop(session_id, None)
        for old, since in list(islice(self._owned.items(), 2)):
            if since < now - _REMEMBERED:
                del self._owned[old]
                self._adopters.pop(old, None)

    def swapped_key(self, session_id: str, write: PendingWrite[SessionData]) -> str | None:
        """
        Return the key that is left over when the answer to ours is a session that a twin has adopted.

        Twins cannot be told apart until the service, honouring keys, replays: then each has the other's.
        """
        key = self._adopters.get(session_id)
        return key if key != write.call.key else None

    @contextmanager
    def flight(
        self, prompt: str, write: PendingWrite[SessionData], began: float | None = None
    ) -> Generator[None, None, None]:
        """
        Keep a create among its siblings while it is on its way, and settle it if need be.

        `began`, in Unix seconds, is when an earlier process may have sent it.
        """
        flight = PendingCreate(prompt, write, began)
        self._flights.setdefault(flight.prompt, []).append(flight)

        async def settle(error: HeyGenError) -> SessionData | None:
            return await self._settle(flight, error)

        write.settle = settle
        try:
            yield
        except BaseException:
            if write.may_exist:
                self._lose(flight)
            raise
        finally:
            siblings = self._flights[flight.prompt]
            siblings.remove(flight)
            if not siblings:
                del self._flights[flight.prompt]

    def _lose(self, flight: PendingCreate) -> None:
        flight.ended = _clock.wall()
        self._lost = [lost for lost in self._lost if lost.ended > flight.ended - 2 * SKEW]
        self._lost.append(flight)

    async def _settle(self, flight: PendingCreate, error: HeyGenError) -> SessionData | None:
        if self._api.retry.settle == "raise":
            raise outcome_unknown(flight.write, flight.began, "settling is switched off") from error
        flight.write.is_settling = True
        try:
            made = await self._search(flight)
            if made is None and is_busy(error):
                raise outcome_unknown(flight.write, flight.began, BUSY) from error
            return made
        except OutcomeUnknown:
            raise
        except HeyGenError as trouble:
            raise outcome_unknown(
                flight.write, flight.began, f"looking failed: {clean(str(trouble))}"
            ) from error
        finally:
            flight.write.is_settling = False

    async def _search(self, flight: PendingCreate) -> SessionData | None:
        await self._quiet(flight)
        began = _clock.now()
        unread: tuple[str, ...] = ()
        for count, wait in enumerate(waits(LOOK_AGAIN, LONGEST_WAIT)):
            found = await self._found(flight)
            if self._is_sibling_away(flight):
                await self._quiet(flight)
                continue  # what it made must not be taken for ours
            # From here to the claim nothing is awaited, so no two creates take the same session.
            unowned = [item for item in found or () if item.session_id not in self._owned]
            verdict = Look.AGAIN if found is None else self._verdict(flight, unowned)
            if isinstance(verdict, Adopt):
                self.own(verdict.found.session_id)
                self._adopters[verdict.found.session_id] = flight.write.call.key
                return await self._adopted(verdict.found)
            unread = tuple(item.session_id for item in unowned if item.matches is None) or unread
            if count and _clock.now() - began >= self._patience(flight, verdict):
                if verdict is Look.ABSENT:
                    return None
                raise self._unclear(flight, verdict, unread)
            await _clock.sleep(wait)
        return None

    def _verdict(self, flight: PendingCreate, unowned: Sequence[Found]) -> Adopt | Unclear | Look:
        return settle_create(unowned, unknown=self._unknown(flight), interchangeable=self._are_alike(flight))

    def _patience(self, flight: PendingCreate, verdict: Unclear | Look) -> float:
        """Return for how long to look; what cannot be read now may be read soon, and an orphan is in no hurry."""
        policy = self._api.retry
        if verdict is not Look.AGAIN:
            return policy.settle_time
        return policy.max_elapsed if flight.write.is_abandoned else UNREAD * policy.settle_time

    def _unclear(
        self, flight: PendingCreate, verdict: Unclear | Look, unread: tuple[str, ...]
    ) -> OutcomeUnknown:
        if isinstance(verdict, Unclear):
            why, candidates = "several sessions may be it", verdict.candidates
        else:
            why, candidates = "the newest sessions cannot be read", unread
        return outcome_unknown(flight.write, flight.began, why, candidates)

    async def _quiet(self, flight: PendingCreate) -> None:
        while self._is_sibling_away(flight):
            await _clock.sleep(LOOK_AGAIN)

    def _is_sibling_away(self, flight: PendingCreate) -> bool:
        return any(
            other.write.may_exist and not other.write.is_settling
            for other in self._flights[flight.prompt]
            if other is not flight
        )

    def _unknown(self, flight: PendingCreate) -> int:
        return sum(other.write.is_settling for other in self._flights[flight.prompt])

    def _are_alike(self, flight: PendingCreate) -> bool:
        """Whether any session found may be anybody's: all who look made the same request, and none gave up."""
        looking = [other for other in self._flights[flight.prompt] if other.write.is_settling]
        lost = [
            lost
            for lost in self._lost
            if lost.prompt == flight.prompt and lost.ended > flight.began - 2 * SKEW
        ]
        return len({other.write.call.body for other in looking}) == 1 and not lost

    # -- reading --

    async def _adopted(self, found: Found) -> SessionData:
        try:
            return (await self._api.call(session_api.session(found.session_id))).data
        except HeyGenError:
            # The id is what must not be lost; how the session is, the first look will tell.
            return SessionData(
                session_id=found.session_id, status=SessionStatus.THINKING, created_at=found.created_at
            )

    async def _found(self, flight: PendingCreate) -> Sequence[Found] | None:
        """Return the new sessions nobody owns; None while the list cannot be read."""
        found: list[Found] = []
        listed = await unless_failing(self._listed(flight))
        if listed is None:
            return None
        for summary in listed:
            if summary.session_id not in self._owned:
                words = await self._first_words_of(summary.session_id)
                matches = None if words is None else words.strip() == flight.prompt
                found.append(Found(summary.session_id, matches, summary.created_at))
        return found

    async def _listed(self, flight: PendingCreate) -> list[SessionSummary] | None:
        """Return the sessions that are new enough; None when there are too many to tell."""
        listed: list[SessionSummary] = []
        token: str | None = None
        since = flight.began - SKEW
        for _ in range(_OLD_PAGES if flight.is_inherited else _PAGES):
            page = await self._api.call(session_api.sessions(limit=100, token=token))
            recent = [item for item in page.data if item.created_at >= since]
            listed += recent
            token = page.next_page
            if token is None or len(recent) < len(page.data):
                return listed
        return None if flight.is_inherited else listed  # ours alone are among the newest

    async def _first_words_of(self, session_id: str) -> str | None:
        """Return the first message of a user, None while there is none to read."""
        if session_id not in self._first_words:
            call = self._api.call(session_api.session(session_id))
            answer = await unless_failing(call)  # new sessions may be 404 for a while
            own = (
                [message.content for message in answer.data.messages if message.role == "user"]
                if answer
                else []
            )
            if not own:
                return self._first_words.get(session_id)  # a twin may have had more luck meanwhile
            self._first_words[session_id] = own[-1]
            for old in list(self._first_words)[:-1000]:
                del self._first_words[old]
        return self._first_words.get(session_id)


def is_busy(error: HeyGenError) -> bool:
    return isinstance(error, Conflict) and error.code == IN_PROGRESS


async def unless_failing(asking: Awaitable[T]) -> T | None:
    """Return the answer; None when there is none now that may be there soon."""
    try:
        return await asking
    except HeyGenError as error:
        if delivery(error) is Delivery.FINAL and not isinstance(error, NotFound):
            raise
        return None


def outcome_unknown(
    write: PendingWrite[SessionData] | PendingWrite[SentMessage],
    began: float,
    why: str,
    candidates: tuple[str, ...] = (),
) -> OutcomeUnknown:
    """Return the error of a write nobody knows the outcome of; `began` in Unix seconds."""
    return OutcomeUnknown(
        f"Whether {write.call.name} happened is not known: {why}.",
        idempotency_key=write.call.key or "",
        started_at=datetime.fromtimestamp(began, UTC),
        candidates=candidates,
    )
