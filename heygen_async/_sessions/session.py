"""
A session: the conversation a user holds with the agent.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType, structs

from .. import _clock, _redact, errors
from .._api import sessions as session_api
from .._api.calls import choose_key
from .._concurrency import concurrently
from .._polling import refs
from .._polling.messages import last_words
from .._polling.reads import read
from .._polling.state import SETTLED, STOP, TERMINAL, Change
from .._polling.watcher import MessageCursor, Watch, Watcher, WatchOptions, session_failed, statuses
from .._resources._context import bind
from .._resources.videos import Video
from ..errors._arguments import check_callable
from ..models import Approve, File, Reply, SentMessage, SessionState, SessionStatus, Stop
from .attachments import upload_files
from .resource import Resource
from .send import APPROVAL, check_chat, send

if TYPE_CHECKING:
    from .._api.calls import Call
    from .._http.open_writes import SendGuard
    from .._polling.state import SessionTracker
    from .._polling.watcher import OnOutage
    from .._resources._context import Core
    from ..cadence import PollContext

REFUSALS = 3  # answers in a row a session may refuse for its state
_STOPPING = 60.0  # seconds a stopped session may take to its next checkpoint before it counts as ended
_READS = 3  # at most: session, then its video, then the session's videos


class Session:
    """
    One Video Agent session; made by `heygen.sessions`.

    Handles of the same session share what is known and what is polled. A handle's watches continue each other: a
    message delivered by one does not come again with the next; `heygen.sessions.attach(session.id)` makes a handle that
    starts from the beginning.
    """

    __slots__ = ("__weakref__", "_core", "_handle", "_permit", "_track")

    def __init__(
        self, core: Core, track: SessionTracker, cursor: int = 0, permit: SendGuard | None = None
    ) -> None:
        self._core = core
        self._track = track
        self._handle = MessageCursor(cursor)
        self._permit = permit

    @property
    def id(self) -> str:
        """The session's id at the service."""
        return self._track.session_id

    @property
    def mode(self) -> str | None:
        """`chat` or `generate`; None when the session was attached and nobody has said."""
        return self._track.mode

    @property
    def state(self) -> SessionState | None:
        """The newest known state; None before the first."""
        return self._track.state

    @property
    def video_id(self) -> str | None:
        """The newest video's id; None before rendering starts."""
        return self._track.video_id

    def __repr__(self) -> str:
        word = "not read yet" if self.state is None else str(self.state.status)
        return f"<Session {self.id} {word}>"

    def ref(self) -> bytes:
        """Return the session as plain JSON without secrets, for `heygen.sessions.restore`, also elsewhere."""
        return refs.write(self._track, self._handle.cursor)

    # -- looking --

    async def refresh(self) -> SessionState:
        """
        Read the session now.

        A session that vanished behind its video (404) is told by the video; a new one that the service does not
        know yet keeps its last state.

        Raises:
            NotFound: The service does not know the session.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        change = Change.READ_AGAIN
        for _ in range(_READS):
            change, _ = await read(self._track, self._core.api.call, _clock.now())
            if Change.READ_AGAIN not in change:
                break
        self._core.scheduler.deliver(self._track, change)
        if self._track.state is None:
            raise errors.NotFound("Nothing is known of this session yet.", status=404)
        return self._track.state

    def watch(
        self,
        *,
        until: Iterable[SessionStatus | str] = STOP,
        timeout: float | UnsetType | None = UNSET,
        stall_timeout: float | None = None,
        progress: bool = False,
        cadence: Callable[[PollContext], float] | None = None,
        accept_stale: bool = True,
        on_outage: OnOutage | None = None,
    ) -> Watch:
        """
        Iterate over the session's states, one for each transition.

        The first item is the newest known state, unless it is from before a `send` or has not been looked at for
        some seconds. A slow reader misses middle states, never the last one. The iteration ends after a state in
        `until`; `waiting_for_input` is yielded and the watch goes on, so you may `send` inside the loop. All
        watches of a session share their polls.

        Args:
            until: The statuses to end with.
            timeout: Seconds for the whole watch; None for no limit; `Timeouts.watch` when not given.
            stall_timeout: Seconds without any movement after which `SessionStalled` is raised.
            progress: Also yield on new progress and new messages.
            cadence: A schedule of its own; the client's when not given.
            accept_stale: Whether to yield the state from before a `send` once it has shown for `Timeouts.settle`,
                marked `is_stale`. If not, `SessionStalled` is raised once it has shown for `Timeouts.stale`: for
                programs that answer each pause once.
            on_outage: Called with an `Outage`, sync or async, when the service cannot be reached for this session,
                and when it can again; from within the iteration, between states.

        Raises:
            InvalidArgument: A duration that is not positive.
        """
        options = WatchOptions(
            until=statuses(until),
            timeout=self._seconds(timeout),
            stall_timeout=stall_timeout,
            cadence=cadence,
            on_outage=on_outage,
            progress=bool(progress),
            accept_stale=bool(accept_stale),
        ).share()
        return Watch(self._core.scheduler, Watcher(self._track, options, self._handle))

    def _seconds(self, timeout: float | UnsetType | None) -> float | None:
        return self._core.api.timeouts.watch if isinstance(timeout, UnsetType) else timeout

    async def wait(
        self,
        *,
        until: Iterable[SessionStatus | str] = SETTLED,
        timeout: float | UnsetType | None = UNSET,
        stall_timeout: float | None = None,
        cadence: Callable[[PollContext], float] | None = None,
        on_outage: OnOutage | None = None,
    ) -> SessionState:
        """
        Wait until the session settles: it pauses, or its run ends.

        Args:
            until: The statuses to wait for; `completed` and `failed` always end the wait.
            timeout: See `watch`.
            stall_timeout: See `watch`.
            cadence: See `watch`.
            on_outage: See `watch`.

        Raises:
            SessionFailed: It failed, with the reason.
            SessionError: See `watch`: `WatchTimeout`, `StateUnknown`, `SessionStalled`.
            APIError: The credential is refused, or the session does not exist.
            ClientStateError: The client was closed, or stopped watching, before it settled.
        """
        options = WatchOptions(
            statuses(until, TERMINAL), self._seconds(timeout), stall_timeout, cadence, on_outage
        ).share()
        watcher, cursor, last = Watcher(self._track, options, self._handle), self._handle.cursor, None
        # All in one coroutine: there are tens of thousands that wait here.
        self._core.scheduler.add(watcher)
        try:
            while True:
                while (awaited := watcher.next_wait()) is not None:
                    await awaited
                last = watcher.pop()
        except StopAsyncIteration:
            pass
        finally:
            self._core.scheduler.remove(watcher)
        return _check_settled(watcher, last, cursor)

    # -- speaking --

    async def send(
        self,
        message: str | None = None,
        *,
        avatar_id: str | None = None,
        voice_id: str | None = None,
        brand_kit_id: str | None = None,
        files: Iterable[File] = (),
        auto_proceed: bool | None = None,
        extra: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> SentMessage:
        """
        Say something to the agent: answer, add, ask for a revision.

        Never sent twice: when the answer is lost, the session itself is asked whether the message is there. A
        cancelled send is finished in the background for at most `Timeouts.write` before the cancel proceeds.

        Args:
            message: 1 to 10,000 characters. None only with `files` or `extra`, where the service takes that; when the
                answer to such a send is lost, it is never sent again.
            avatar_id: For this message; not sent when None, like all options.
            voice_id: For this message.
            brand_kit_id: For this message.
            files: Up to 20 attachments; see `heygen.sessions.create`.
            auto_proceed: Only for services that still take it.
            extra: Fields this release does not know.
            idempotency_key: Your own key; a new one when None.

        Raises:
            InvalidArgument: Something the service would refuse, or the session is not in chat mode; nothing sent.
            UploadError: A file could not be uploaded; nothing was said.
            SessionBusy: Another send on this session is under way in this client.
            OutcomeUnknown: The message may be there, and looking could not settle it.
            TransportError: It was not sent.
            APIError: The service refused it.
        """
        check_chat(self.mode)
        build = partial(
            session_api.send,
            self.id,
            message,
            avatar_id=avatar_id,
            voice_id=voice_id,
            brand_kit_id=brand_kit_id,
            auto_proceed=auto_proceed,
            extra=extra,
            idempotency_key=idempotency_key,
        )
        return await self._send(await upload_files(self._core, files, build), message or "")

    async def _send(self, call: Call[SentMessage], message: str, *, is_approval: bool = False) -> SentMessage:
        cursor, guard = self._handle.cursor, self._permit
        return await send(
            self._core, self._track, call, message, cursor=cursor, is_approval=is_approval, send_guard=guard
        )

    async def approve(
        self,
        message: str | None = None,
        *,
        extra: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> SentMessage:
        """
        Approve the storyboard, so that the agent renders it.

        `auto_proceed` is sent along until a service refuses it, which this client then remembers.

        Args:
            message: Your own words; plain ones when None.
            extra: Fields this release does not know.
            idempotency_key: Your own key; a new one when None.

        Raises:
            InvalidArgument: See `send`.
            SessionBusy: See `send`.
            TransportError: See `send`.
            APIError: The service refused it.
        """
        check_chat(self.mode)
        words = APPROVAL if message is None else message
        build = partial(session_api.send, self.id, words, files=(), extra=extra)
        if self._core.takes_auto_proceed:
            key = None if idempotency_key is None else f"{choose_key(idempotency_key)[:240]}:auto"
            try:
                call = build(auto_proceed=True, idempotency_key=key)
                return await self._send(call, words, is_approval=True)
            except errors.InvalidRequest as error:
                # The guide has it, the current schema refuses it (contract.md). A refusal need not name the field, and
                # asking without it costs nothing: a refused message was not delivered.
                if error.code not in (None, "invalid_parameter") and error.param != "auto_proceed":
                    raise
                self._core.takes_auto_proceed = False
        return await self._send(build(idempotency_key=idempotency_key), words, is_approval=True)

    async def stop(self) -> None:
        """
        Ask the agent to end its run at the next checkpoint; what it has made so far is kept.

        Raises:
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        await self._core.api.call(session_api.stop(self.id))
        self._core.scheduler.poll_now(self.id)

    # -- what came of it --

    async def resource(self, resource_id: str) -> Resource:
        """
        Resolve what a message refers to.

        Raises:
            InvalidArgument: Not an id.
            NotFound: The session has no such resource.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        info = (await self._core.api.call(session_api.resource(self.id, resource_id))).data
        return bind(Resource, info, self._core, session_id=self.id)

    async def resources(self) -> list[Resource]:
        """
        Fetch all resources the messages so far refer to, each once, in the order of the conversation.

        Raises:
            NotFound: A message refers to a resource the service does not have.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        if self.state is None or not self.state.messages:
            await self.refresh()
        messages = self._track.conversation.messages
        ids = dict.fromkeys(one for message in messages for one in message.resource_ids or ())
        found: dict[str, Resource] = {}

        async def fetch(resource_id: str) -> None:
            found[resource_id] = await self.resource(resource_id)

        await concurrently([partial(fetch, resource_id) for resource_id in ids])
        return [found[resource_id] for resource_id in ids]

    async def videos(self) -> AsyncIterator[Video]:
        """
        Iterate over the session's videos, newest first.

        Raises:
            NotFound: The service does not know the session.
            TransportError: The service could not be asked.
            APIError: The service refused.
        """
        async for info in self._core.pages(lambda token: session_api.session_videos(self.id, token=token)):
            yield bind(Video, info, self._core)

    async def video(self, *, timeout: float | UnsetType | None = UNSET) -> Video:
        """
        Wait until the newest video can be downloaded; after a revision of a completed session, the new one.

        Args:
            timeout: See `watch`.

        Raises:
            SessionPaused: The agent waits for an answer instead; the message says what it asks.
            SessionFailed: It failed, with the reason.
            SessionError: See `watch`: `WatchTimeout`, `StateUnknown`.
            APIError: The credential is refused, or the session does not exist.
        """
        options = WatchOptions(statuses(SETTLED, TERMINAL), self._seconds(timeout), for_video=True).share()
        watcher, cursor, last = Watcher(self._track, options, self._handle), self._handle.cursor, None
        async with Watch(self._core.scheduler, watcher) as states:
            async for state in states:
                last = state
        state = _check_settled(watcher, last, cursor)
        info = self._track.finished_video
        if info is None:
            asks = last_words(state) or "it waits for an answer."
            facts = refs.facts(self._track, self._handle.cursor)
            raise errors.SessionPaused(f"Session {self.id} is {state.status}: {_redact.clean(asks)}", **facts)
        self._core.scheduler.trackers.tracing.record_video(self._track)
        return bind(Video, info, self._core)

    async def converse(self, reviewer: Reviewer, *, timeout: float | UnsetType | None = UNSET) -> Video:
        """
        Drive the whole conversation: every pause is answered by the reviewer, until the video is there.

        Args:
            reviewer: Called with the session and its state at each pause, sync or async; returns `Reply`,
                `Approve` or `Stop`.
            timeout: Seconds for each stretch between two answers, see `watch`; a reviewer may take any time.

        Raises:
            SessionFailed: It failed, or was stopped before there was a video (reason_source `reviewer`).
            SessionError: See `watch`: `WatchTimeout`, `StateUnknown`.
            InvalidArgument: The reviewer returned something else.
            TransportError: An answer could not be sent; see `send`.
            APIError: The service refused an answer, or the credential.
        """
        check_callable(reviewer=reviewer)
        refusals = 0
        while True:
            state = await self.wait(timeout=timeout)
            if not state.is_paused:
                return await self.video(timeout=timeout)
            returned = reviewer(self, state)
            answer = await returned if inspect.isawaitable(returned) else returned
            if isinstance(answer, Stop):
                return await stop_session(self)
            try:
                await deliver_answer(self, answer)
                refusals = 0
            except errors.Conflict:
                refusals += 1
                if refusals >= REFUSALS:
                    raise
                # Otherwise the pause was an old one: wait for what the session really does, and ask again.


def _check_settled(watcher: Watcher, last: SessionState | None, cursor: int) -> SessionState:
    """
    Return the state a wait has ended with, and all messages since the cursor.

    Raises:
        ClientStateError: The client stopped watching before.
        SessionFailed: The session failed.
    """
    if last is None or watcher.is_stopped:
        raise errors.ClientStateError("The client stopped watching before the session settled.")
    if last.status == SessionStatus.FAILED:
        raise session_failed(watcher)
    messages, gap = watcher.track.conversation.since(cursor)
    return structs.replace(last, new_messages=messages, messages_gap=gap)


# ---- answers at a pause -------------------------------------------------------------------------------------------

Answer = Reply | Approve | Stop
Reviewer = Callable[[Session, SessionState], Answer | Awaitable[Answer]]
BatchReviewer = Answer | Reviewer


async def deliver_answer(session: Session, answer: object, idempotency_key: str | None = None) -> None:
    """Send what a reviewer answered; a `Stop` is not for here."""
    match answer:
        case Reply():
            await session.send(**structs.asdict(answer), idempotency_key=idempotency_key)
        case Approve():
            await session.approve(answer.message, idempotency_key=idempotency_key)
        case _:
            problem = f"returned {type(answer).__name__}, not Reply, Approve or Stop"
            raise errors.InvalidArgument("reviewer", problem)


async def stop_session(session: Session) -> Video:
    """Stop; the status of a stopped session is not documented, so a video is taken if there is one."""
    await session.stop()
    with suppress(errors.WatchTimeout):
        async with session.watch(until=TERMINAL, timeout=_STOPPING) as states:
            async for state in states:
                if state.is_terminal and state.failure_reason is None:
                    newest = await anext(session.videos(), None)
                    if newest is not None and newest.is_downloadable:
                        return newest  # if need be of an earlier run, since no new one will come
                    return await session.video(timeout=_STOPPING)
    raise errors.SessionFailed(
        f"Session {session.id} was stopped by the reviewer.",
        session_id=session.id,
        reason="Stopped by the reviewer.",
        reason_source="reviewer",
        last_state=session.state,
        ref=session.ref(),
    )
