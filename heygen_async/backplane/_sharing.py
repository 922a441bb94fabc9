"""
What one process does for the others, and they for it: polls the sessions it holds, and is fed the reads of the rest.

Called by the scheduler when a read was made and when the next poll is planned, and by `BackplaneLink` with what came
from the others. It waits for nothing itself: what is to be sent lies in the outbox.
"""

from __future__ import annotations

import itertools
import logging
import math
import secrets
from typing import TYPE_CHECKING

from .. import _clock
from .._polling.planner import SharedPolls
from .._polling.state import Change, ReadTarget
from ._creates import CreateSharing
from ._link import BackplaneLink
from ._messages import (
    BackplaneMessage,
    Event,
    Hello,
    Item,
    Join,
    Ownership,
    Pending,
    Read,
    Release,
    Sealer,
    Sent,
    Wish,
    decode_session,
)
from ._peers import Peers
from ._shares import PendingRead, Share, Verdict, has_read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._polling.scheduler import PollScheduler
    from .._polling.state import SessionTracker
    from .._polling.watched import WatchedSession
    from ._engine import BackplaneEngine

log = logging.getLogger("heygen_async")

_JOIN = 2.0  # seconds the first poll of a session waits for what another process knows
_FAILURES = 2  # failed polls after which another process may try
_GREETING = 0.1  # seconds for the others to show that they are there, and to see that we are
_HANDOVER = 0.5  # seconds that must be left to the next poll for another process to make it
_ITEMS = 200  # in one message


class PollSharing(SharedPolls):
    """
    The polls of one client among those of others.

    Args:
        engine: Where they meet.
        scheduler: Makes and plans the polls of this process.
        sealer: Names and seals what travels.
        lease: Seconds a process holds a session without saying so again.

    Attributes:
        lease: See above.
        owner: What this process is called.
        released: Sessions whose leases are to be given up, and to whom; to anybody where that is empty.
        greeted_at: When the others have had their time to answer.
    """

    def __init__(
        self, engine: BackplaneEngine, scheduler: PollScheduler, sealer: Sealer, lease: float
    ) -> None:
        self.is_away: bool | None = False
        self.reads: int = 0
        self.lease: float = lease
        self.sealer: Sealer = sealer
        self.owner: str = secrets.token_hex(8)
        self.released: dict[str, str] = {}
        self._scheduler = scheduler
        self._link = BackplaneLink(engine, self)
        self._shares: dict[str, Share] = {}
        self._peers = Peers()
        self._creates = CreateSharing(self, self._link)
        self._number = 0
        self._echoed = 0
        self.greeted_at: float = 0.0
        self._outbox: list[Item] = []
        self._reads: list[PendingRead] = []
        self._take: Mapping[type[Item], Callable[..., None]] = {
            Read: self._take_read,
            Wish: self._take_wish,
            Join: self._take_join,
            Release: self._take_release,
            Sent: self._take_sent,
            Ownership: self._creates.take_ownership,
            Pending: self._creates.take_pending,
            Event: self._take_event,
        }

    @property
    def creates(self) -> CreateSharing:
        """What is known of the creates of other processes."""
        return self._creates

    # -- from the scheduler --

    def plan(self, session: WatchedSession, due: float, now: float) -> float:
        """Poll what is held here, and the rest only if its holder stays silent."""
        share = self._shares.get(session.track.session_id) or self._begin(session, now)
        if share.holds(now):
            if session.failures >= _FAILURES:
                share.drop()
                self._release(session, "")
            elif share.heir and due - now >= _HANDOVER:
                self._send_state(session, share, now - session.polled_at)
                self._release(session, share.hand_over(now, due))
                return due + self.lease
            return due
        # The links of a video are signed, so each process reads them for itself.
        is_video = session.track.next_read(for_video=session.for_video) is not ReadTarget.SESSION
        if self.is_away or session.failures or is_video:
            return due
        share.is_fed = share.is_fed and now < share.next_at + self.lease  # else its holder is silent
        if not share.is_fed:
            return max(due, share.began + _JOIN)
        if share.wishes(due):
            self.announce(Wish(session.track.session_id, max(due - now, 0.0)))
        return max(due, share.next_at) + self.lease

    def publish(self, sessions: Sequence[WatchedSession], now: float) -> None:
        """Give the others what was read here, unless the service was asked before a message was known of."""
        for session in sessions:
            share = None if session.is_single else self._shares.get(session.track.session_id)
            if share is not None and share.holds(now) and session.polled_at >= share.sent_at:
                self._send_state(session, share, now - session.polled_at)

    def release(self, session: WatchedSession) -> None:
        """Give up the lease, once the others have been sent the last read."""
        share = self._shares.pop(session.track.session_id, None)
        if share is not None and share.held_until:
            self._release(session, "")

    def announce_send(self, track: SessionTracker) -> None:
        """Number the message, so that no read that was asked before it counts after it."""
        guard, share = track.guard, self._shares.get(track.session_id)
        if guard is None:
            return
        number = max(int(_clock.wall() * 1e6), 0 if share is None else share.sent + 1)
        sent = Sent(track.session_id, number, guard.without_words())
        if share is not None:
            share.announcement, share.sent_at = sent, _clock.now()
        self.announce(sent)

    def announce_event(self, session_id: str | None, video_id: str | None, *, verified: bool) -> None:
        """Have the watchers of all processes profit from a webhook that reached this one."""
        self.announce(Event(session_id, video_id, verified))

    async def aclose(self) -> None:
        """Send what is still to be sent and give up all leases."""
        await self._link.aclose()

    def _begin(self, session: WatchedSession, now: float) -> Share:
        share = self._shares[session.track.session_id] = Share(now)
        self._link.acquire_now()
        return share

    def _release(self, session: WatchedSession, heir: str) -> None:
        self.released[session.track.session_id] = heir
        self._link.wake()

    def announce(self, item: Item) -> None:
        """Send an item to the others; while they are away it is dropped."""
        if not self.is_away:
            self._outbox.append(item)
        self._link.wake()

    def _send_state(self, session: WatchedSession, share: Share, age: float) -> None:
        if not self.is_away and self._peers.are_there:
            state = None if session.track.is_stale else session.track.state
            # As of now: what comes before it is sent must not make it look newer than it is.
            self._reads.append(PendingRead(session, share, share.generation, share.sent, state, age))
            self._link.wake()

    # -- from the link: what to send --

    def next_message(self, now: float) -> bytes | None:
        """Return what is to be sent next; None when there is nothing."""
        is_greeting = now < self.greeted_at  # nothing else would count yet
        due = itertools.takewhile(lambda item: not is_greeting or isinstance(item, Hello), self._outbox)
        items: list[Item] = list(itertools.islice(due, _ITEMS))
        reads = [] if is_greeting else self._reads[:_ITEMS]
        self._outbox, self._reads = self._outbox[len(items) :], self._reads[len(reads) :]
        welcome = self._peers.welcome()
        if not (items or reads or welcome):
            return None
        self._number += 1
        items += [read.item(self._number, now) for read in reads]
        if welcome is not None:
            items = [welcome, *self._creates.recent(), *items]
        return self.sealer.seal(BackplaneMessage(self.owner, self._number, tuple(items)))

    @property
    def is_echo_missing(self) -> bool:
        """Whether a message of our own has not come back."""
        return self._echoed < self._number

    # -- from the link: leases --

    def wanted(self) -> list[str]:
        """Return the sessions whose leases this process keeps or would take."""
        sessions = self._scheduler.sessions
        return [name for name in self._shares if name in sessions and sessions[name].failures < _FAILURES]

    def record_leases(self, session_ids: Sequence[str], generations: Sequence[int], until: float) -> None:
        """Record which leases this process has got, and poll what has become its own when that is due."""
        now, lost = _clock.now(), list[str]()
        for session_id, generation in zip(session_ids, generations, strict=True):
            session, share = self._scheduler.sessions.get(session_id), self._shares.get(session_id)
            if session is None or share is None:
                if generation:
                    self.released[session_id] = ""
            elif not generation:
                if share.drop() or not share.is_fed:
                    lost.append(session_id)
            elif share.hold(generation, until):
                self._scheduler.poll_by(session, max(share.next_at if share.is_fed else now, now), now)
        if lost:
            self.announce(Join(self.owner, tuple(lost)))

    # -- from the link: the others come and go --

    def join(self) -> None:
        """Begin to share."""
        if self.is_away:
            log.info("The backplane is back; polls are shared again", extra={"event": "backplane_joined"})
        self.is_away = False
        self._echoed = self._number
        self.greeted_at = _clock.now() + _GREETING
        self._outbox.insert(0, self._peers.hello)

    def leave(self, reason: str) -> None:
        """Poll for this process alone until the others can be reached again."""
        if self.is_away:
            return
        self.is_away = True
        extra = {"event": "backplane_away"}
        log.warning("The backplane is away; this process polls for itself: %s", reason, extra=extra)
        self._outbox.clear()
        self._reads.clear()
        self.released.clear()
        for share in self._shares.values():
            share.drop()
            share.is_fed = False
        self._scheduler.advance()

    def take(self, payload: bytes) -> None:
        """Take what somebody has published, if one of us has."""
        message = self.sealer.open(payload)
        if message is None:
            return
        if message.sender == self.owner:
            self._echoed = max(self._echoed, min(message.number, self._number))
            return
        is_accepted = self._peers.accept(message)
        if not is_accepted and not self._peers.is_known(message.sender):
            self._outbox.insert(0, self._peers.hello)
            self._link.wake()
        if self._peers.is_asked:
            self._link.wake()
        for item in message.items if is_accepted else ():
            take = self._take.get(type(item))
            if take is not None:
                take(item)

    # -- from the others --

    def _take_read(self, read: Read) -> None:
        now = _clock.now()
        session, share = self._scheduler.sessions.get(read.session_id), self._shares.get(read.session_id)
        if (
            session is None
            or share is None
            or not math.isfinite(read.age + read.next_poll + read.elapsed + read.unchanged)
        ):
            return
        track = session.track
        match share.judge(read, now, track.read_at):
            case Verdict.OLD:
                pass
            case Verdict.UNAWARE:
                if share.announcement is not None:
                    self.announce(share.announcement)
            case Verdict.LOST:
                self.announce(Join(self.owner, (read.session_id,)))
            case Verdict.UNSHARED:
                self._scheduler.poll_by(session, now, now)
            case Verdict.NEWS:
                self._feed(session, share, read, now)

    def _feed(self, session: WatchedSession, share: Share, read: Read, now: float) -> None:
        """Take a read of another process for one of our own."""
        track, change = session.track, Change.NOTHING
        if read.state is None:
            if not track.is_stale:
                track.record_unchanged(now)
        elif (data := decode_session(read.state)) is not None:
            change = track.record_session(data, asked=now, now=now)
        else:  # of another release
            share.is_fed = False
            self._scheduler.poll_by(session, now, now)
            return
        if not track.is_stale:  # as if it had been watched here from the beginning
            track.since, track.moved_at, track.polls = now - read.elapsed, now - read.unchanged, read.polls
            track.history = read.history or track.history
        share.record_fed(track.read_at)
        session.polled_at = max(session.polled_at, now - read.age)
        self.reads += 1
        session.record_success(now)
        self._scheduler.deliver(track, change)

    def _take_wish(self, wish: Wish) -> None:
        now = _clock.now()
        session, share = self._scheduler.sessions.get(wish.session_id), self._shares.get(wish.session_id)
        if session is not None and share is not None and share.holds(now):
            self._scheduler.poll_by(session, now + max(wish.seconds, 0.0), now)

    def _take_join(self, join: Join) -> None:
        now = _clock.now()
        for session_id in join.session_ids:
            session, share = self._scheduler.sessions.get(session_id), self._shares.get(session_id)
            if session is None or share is None or not share.holds(now):
                continue
            if session.track.guard is not None and share.announcement is not None:
                self.announce(share.announcement)
            if session.track.read_at is not None and not session.track.is_stale:
                share.published = None
                self._send_state(session, share, now - session.track.read_at)
            if join.owner < (share.heir or self.owner):
                # The first of all that watch a session polls it: so one process has all that many watch together.
                share.heir = join.owner
                if not session.is_polling:
                    self._scheduler.deliver(session.track, Change.NOTHING)

    def _take_release(self, release: Release) -> None:
        if release.heir in ("", self.owner) and any(one in self._shares for one in release.session_ids):
            self._link.acquire_now()

    def _take_sent(self, sent: Sent) -> None:
        share, now = self._shares.get(sent.session_id), _clock.now()
        if share is not None:
            if sent.sent <= share.sent:
                return
            share.announcement, share.sent_at = sent, now
        track = self._scheduler.trackers.get(sent.session_id)
        if track is not None and not has_read(track, sent.guard):
            sent.guard.since = now
            track.begin_run(sent.guard, now)
        if share is not None and share.holds(now):
            self._scheduler.poll_now(sent.session_id)

    def _take_event(self, event: Event) -> None:
        self._scheduler.on_event(event.session_id, event.video_id, verified=event.is_verified)
