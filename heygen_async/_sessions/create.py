"""
Makes a session: what costs money, and happens once; or takes up one that was made before.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from .. import _clock
from .._http.open_writes import FollowUp, PendingWrite, ShieldedWrite
from .._http.writes import recover_write, send_write
from ..errors import ConnectionLost, HeyGenError
from .create_recovery import CreateRecovery, PendingCreate
from .session import Session

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._http.open_writes import SendGuard
    from .._polling.state import SessionTracker
    from .._resources._context import Core
    from ..models import SessionData

log = logging.getLogger("heygen_async")

_MOST_ORPHANS = 1000
_KEYS_KEPT = 10_000
_KEYS_KEPT_FOR = 3600.0  # seconds
_FOLLOW_UP = 60.0  # seconds after which a create that was sent twice is looked for once more
_LAST_FOLLOW_UP = 5.0  # the same, when the client closes first


class Orphan(Session):
    """
    A session that no caller has got: its `create()` was cancelled, or it was made twice.

    It is a session like any other, and yours to use, to keep or to stop.

    Attributes:
        prompt: What it is about.
        idempotency_key: The key its create was sent with.
        found_at: When this client learned of it.
    """

    __slots__ = ("found_at", "idempotency_key", "prompt")

    def __init__(self, core: Core, tracker: SessionTracker, *, prompt: str, idempotency_key: str) -> None:
        super().__init__(core, tracker)
        self.prompt: str = prompt
        self.idempotency_key: str = idempotency_key
        self.found_at: datetime = datetime.fromtimestamp(_clock.wall(), UTC)


class Orphans(Collection[Orphan]):
    """
    The orphans of one client, oldest first.

    At most a thousand are kept; one that has to go is logged.
    """

    def __init__(self) -> None:
        self._kept: deque[Orphan] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Orphan]:
        return iter(tuple(self._kept))

    def __contains__(self, session: object) -> bool:
        return session in self._kept

    def __repr__(self) -> str:
        return f"<Orphans {list(self._kept)!r}>"

    def pop(self) -> Orphan | None:
        """Take the oldest; None when there is none."""
        return self._kept.popleft() if self._kept else None

    def drain(self) -> tuple[Orphan, ...]:
        """Take them all."""
        taken = tuple(self._kept)
        self._kept.clear()
        return taken

    def add(self, orphan: Orphan) -> None:
        """Keep one more."""
        self._kept.append(orphan)
        while len(self._kept) > _MOST_ORPHANS:
            oldest = self._kept.popleft()
            key = oldest.idempotency_key
            extra = {"event": "orphan_dropped", "session_id": oldest.id, "idempotency_key": key}
            log.warning("Session %s (key %s) is no longer among the orphans", oldest.id, key, extra=extra)

    def discard(self, session_id: str) -> None:
        """Forget one that a caller has come for."""
        self._kept = deque(orphan for orphan in self._kept if orphan.id != session_id)


class _Made(Struct):
    """What a create with some key has made, and whether another caller has come for it."""

    session_id: str
    at: float
    is_taken: bool = False


class SessionFactory:
    """
    Makes the sessions of one client, and handles of those made elsewhere.

    Attributes:
        core: The client's parts.
        orphans: Sessions that no caller has got.
        recovery: Which sessions are known, and which creates are under way.
    """

    def __init__(self, core: Core) -> None:
        self.core: Core = core
        self.orphans: Orphans = Orphans()
        self._trackers = core.scheduler.trackers
        self.recovery: CreateRecovery = CreateRecovery(core.api, core.scheduler)
        self._under_way: dict[str, ShieldedWrite[Session]] = {}
        self._made: OrderedDict[str, _Made] = OrderedDict()
        self._repeated: list[PendingCreate] = []
        self._follow_up = FollowUp(self._find_duplicates, _FOLLOW_UP)

    async def create(
        self,
        call: Call[SessionData],
        prompt: str,
        mode: str,
        *,
        begun_at: datetime | None = None,
        raise_rate_limit: bool = False,
        max_wait: float | None = None,
        on_orphan: Callable[[Session], None] | None = None,
        send_guard: SendGuard | None = None,
    ) -> Session:
        """
        Make the session of a call; see `Sessions.create`. Calls with one key get one session.

        Args:
            call: What to send.
            prompt: Its prompt, by which the session is known again.
            mode: Its mode.
            begun_at: When an earlier process may have sent it.
            raise_rate_limit: Whether a 429 is raised at once.
            max_wait: Seconds to wait for room under the job cap.
            on_orphan: Also gets the session that a cancelled caller leaves behind.
            send_guard: Awaited right before each attempt, which is not made if it raises.
        """
        api, key = self.core.api, call.key or ""
        api.bind()
        self.core.scheduler.listen()
        if begun_at is None and (known := self._session_of(key, mode)) is not None:
            return known
        shielded = self._under_way.get(key)
        if shielded is None or shielded.task.cancelling():
            api.create_queue.check_open()
            write = PendingWrite(
                call=call,
                began=_clock.wall() if begun_at is None else begun_at.timestamp(),
                raise_rate_limit=raise_rate_limit,
                max_wait=max_wait,
                guard=send_guard,
            )
            options: dict[str, object] = json.loads(call.body) if isinstance(call.body, bytes) else {}
            create = PendingCreate(
                prompt=prompt,
                write=write,
                is_listed=options.get("incognito_mode") is not True,
                has_files="files" in options,
                is_inherited=begun_at is not None,
                on_orphan=on_orphan,
            )
            shielded = api.writes.start(write, self._create(create, mode), partial(self._keep_orphan, create))
            self._under_way[key] = shielded
            shielded.task.add_done_callback(lambda _: self._forget(key, shielded))
        return await shielded.wait()

    async def _create(self, create: PendingCreate, mode: str) -> Session:
        try:
            with self._trackers.tracing.create(), self.recovery.track(create):
                data = await self._make_once(create)
                tracker, now = self._trackers.of(data.session_id, mode), _clock.now()
                self._trackers.tracing.join(data.session_id)
        finally:
            if create.write.was_repeated:
                self._repeated.append(create)
                self._follow_up.schedule()
        tracker.record_session(data, asked=now, now=now)
        return Session(self.core, tracker)

    async def _make_once(self, create: PendingCreate) -> SessionData:
        api, write, asked = self.core.api, create.write, _clock.now()
        recover = partial(self.recovery.recover, create)
        data: SessionData | None = None
        if create.is_inherited:
            write.doubt = ConnectionLost("An earlier process may have made this session.")
            write.may_exist = True
            data = await recover_write(api, write, recover)
            write.may_exist = data is not None
        if data is None:
            data = await send_write(api, write, recover)
        # Identical creates may have taken over each other's sessions; a replay of our key then shows theirs.
        while (key := self.recovery.own.adopters.get(data.session_id, write.call.key)) != write.call.key:
            write.call = structs.replace(write.call, key=key)
            data = await send_write(api, write, recover)
        self._record(create, data, asked)
        return data

    def _record(self, create: PendingCreate, data: SessionData, asked: float) -> None:
        own, now = self.recovery.own, _clock.now()
        if own.adopters.get(data.session_id) is None:
            own.record_create(data.session_id, create.prompt, data.created_at, is_listed=create.is_listed)
            if data.created_at and not create.is_inherited:
                sent = create.write.sent_at or asked  # any of its attempts may have made it
                self.core.api.service_clock.record_creation(data.created_at, sent=sent, received=now)
        self._made[create.write.call.key or ""] = _Made(data.session_id, now)
        while len(self._made) > _KEYS_KEPT:
            self._made.popitem(last=False)

    def _session_of(self, key: str, mode: str) -> Session | None:
        """Return the session that a create with this key has made, as long as it is remembered."""
        made = self._made.get(key)
        if made is None or _clock.now() - made.at > _KEYS_KEPT_FOR:
            return None
        made.is_taken = True
        self.orphans.discard(made.session_id)
        return Session(self.core, self._trackers.of(made.session_id, mode))

    def _forget(self, key: str, shielded: ShieldedWrite[Session] | None) -> None:
        if self._under_way.get(key) is shielded:
            del self._under_way[key]

    # -- orphans --

    def _keep_orphan(self, create: PendingCreate, session: Session) -> None:
        made = self._made.get(create.write.call.key or "")
        if made is None or not made.is_taken:  # else another caller has come for it meanwhile
            self._add_orphan(session.id, create, "cancelled_write", "A cancelled create has made session")

    def _add_orphan(self, session_id: str, create: PendingCreate, event: str, message: str) -> None:
        key = create.write.call.key or ""
        tracker = self._trackers.of(session_id)
        orphan = Orphan(self.core, tracker, prompt=create.prompt, idempotency_key=key)
        self.orphans.add(orphan)
        extra = {"event": event, "session_id": session_id, "idempotency_key": key}
        log.warning("%s %s (key %s)", message, session_id, key, extra=extra)
        if create.on_orphan is not None:
            create.on_orphan(orphan)

    async def _find_duplicates(self) -> None:
        """Find what creates that were sent twice have left behind, and report it."""
        repeated, self._repeated = self._repeated, []
        for create in repeated:
            try:
                duplicates = await self.recovery.find_duplicates(create)
            except HeyGenError as error:
                key, kind = create.write.call.key, type(error).__name__
                extra = {"event": "follow_up_failed", "idempotency_key": key}
                log.warning("The create with key %s could not be followed up: %s", key, kind, extra=extra)
                continue
            for session_id in duplicates:
                self._add_orphan(session_id, create, "orphan", "A repeated create has also made session")

    async def aclose(self) -> None:
        """Refuse new creates, let those under way end, and follow up what was sent twice."""
        self.core.api.create_queue.stop()
        await self.core.api.writes.aclose()
        await self._follow_up.aclose(_LAST_FOLLOW_UP)
        if self.orphans:
            ids = [orphan.id for orphan in self.orphans]
            extra = {"event": "orphans_left", "session_ids": ids}
            log.warning("Sessions nobody has got: %s", " ".join(ids), extra=extra)

    # -- made before --

    def attach(self, session_id: str) -> Session:
        """Return a handle of a session made elsewhere, which is no longer taken for one of a lost create."""
        self.recovery.own.add(session_id)
        return Session(self.core, self._trackers.of(session_id))

    def restore(self, ref: bytes | str, send_guard: SendGuard | None = None) -> Session:
        """Return the session of a ref; see `Sessions.restore`. Its messages are sent only if the guard allows."""
        track, cursor = self._trackers.restore(ref)
        self.recovery.own.add(track.session_id)
        return Session(self.core, track, cursor, send_guard)

    def resume(self, ref: bytes | str) -> Session:
        """
        Return the session of a ref to go on with by itself.

        Its last pause may have been answered by a process that ended before it could record that, and the service
        may show the pause for a while: answered twice, an approval is a revision that is paid for.
        """
        session = self.restore(ref)
        self._trackers.of(session.id).doubt(since=_clock.now(), settle=self.core.api.timeouts.settle)
        return session
