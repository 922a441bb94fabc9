"""
What a batch takes, what it returns, and the events between.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, UnsetType

from .._api import sessions as session_api
from .._api.sessions import CreateRequest, check_begun_at
from .._polling import refs
from .._sessions.attachments import with_placeholders
from .._sessions.review import check_reviewer
from ..errors import InvalidArgument
from ..errors._arguments import check_positive, check_text, given, list_of

if TYPE_CHECKING:
    from .._resources.videos import Video
    from .._sessions.session import Answer, BatchReviewer
    from ..errors import SessionFailed
    from ..models import SessionState, Transfer

EventKind = Literal[
    "creating", "created", "state", "paused", "answered", "downloading", "downloaded", "ended"
]

_SHOWN = 40  # characters of a prompt in a repr
_KEY_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True, repr=False)
class Job(CreateRequest):
    """
    One video to make: a prompt, the options of `heygen.sessions.create`, and how a batch treats it.

    Args:
        prompt: What to make, 1 to 10,000 characters.
        key: Your name for it, unique within the batch; its position there, counted from 1, when None.
        mode: `chat` pauses for review and needs a reviewer, `generate` does not.
        avatar_id: See `heygen.sessions.create`, like all down to `extra`.
        voice_id: See there.
        style_id: See there.
        brand_kit_id: See there.
        brand_glossary_id: See there.
        orientation: See there.
        files: See there; paths are uploaded right before the create.
        auto_proceed: See there.
        incognito_mode: See there.
        callback_url: See there.
        callback_id: See there.
        extra: See there.
        idempotency_key: Your own key for the create; a new one when None.
        reviewer: Who answers the pauses of this job; the batch's reviewer when None.
        timeout: Seconds the agent may work on it, the time it is paused left out; None for no limit;
            `Timeouts.watch` when not given.
        ref: A session that was made for this job before (`Session.ref()`, `Outcome.session_ref`, the `ref` of an
            event or an error): the job continues it, and nothing is created.
        begun_at: When an earlier process first may have sent the create of this job, with this `idempotency_key`,
            without learning what became of it: the session is looked for before anything is sent. A batch should
            have such jobs first, and a client that knows (`heygen.sessions.attach`) the sessions of other jobs with
            the same prompt, or one of those may be taken for it.
        expected_seconds: How long the video will be, for the batch's budget.
        max_seconds: How long it will be at most, for the budget: this is reserved, else `expected_seconds`.

    Raises:
        InvalidArgument: Something the service would refuse, or two arguments that contradict each other.
    """

    key: str | None = None
    _: KW_ONLY
    idempotency_key: str | None = None
    reviewer: BatchReviewer | None = None
    timeout: float | UnsetType | None = UNSET
    ref: bytes | None = None
    begun_at: datetime | None = None
    expected_seconds: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(list_of("files", self.files)))
        check_text(**given(key=self.key))
        if self.key is not None and len(self.key) > _KEY_CHARACTERS:
            raise InvalidArgument("key", f"has more than {_KEY_CHARACTERS:,} characters")
        files = with_placeholders(self.files)
        session_api.create(self, files=files, idempotency_key=self.idempotency_key)
        check_reviewer(self.reviewer)
        if not isinstance(self.timeout, UnsetType):
            check_positive(**given(timeout=self.timeout))
        if self.ref is not None:
            refs.read(self.ref)
            if self.begun_at is not None:
                raise InvalidArgument("begun_at", "is for a job without a known session; this one has a ref")
        check_begun_at(self.begun_at, self.idempotency_key)
        check_positive(**given(expected_seconds=self.expected_seconds, max_seconds=self.max_seconds))
        if self.max_seconds is not None and (self.expected_seconds or 0) > self.max_seconds:
            raise InvalidArgument("max_seconds", "must not be less than expected_seconds")

    def __repr__(self) -> str:
        shown = self.prompt if len(self.prompt) <= _SHOWN else self.prompt[: _SHOWN - 1] + "…"
        name = "" if self.key is None else f"{self.key!r} "
        return f"<Job {name}{shown!r}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """
    How one job ended.

    Attributes:
        key: The job's key, or its position in the input as text.
        job: The job; None when the input held a text of which none could be made.
        session_id: Its session's id; None when none was made, or none that is known.
        session_ref: What `heygen.sessions.restore` or `Job(ref=...)` continues; None without a session.
        video: The finished video; None without one.
        path: Where it was saved: a path, or an address in an object store as text; None when it was not.
        error: Why there is no video, or no file of it (then `video` is set); None when all went well. Mostly a
            `HeyGenError`; else what your reviewer or your `on_event` raised.
        states: The session's newest transitions, oldest first, at most 50, without their messages.
        elapsed: Seconds from its beginning to its end.
        not_started: Whether it was not begun because the batch had stopped creating, or had no money left for it;
            `error` says why.
        failures: Why the attempts before this one failed, oldest first; each has its `session_id`. Only with
            `retry_failed`.
    """

    key: str
    job: Job | None = None
    session_id: str | None = None
    session_ref: bytes | None = None
    video: Video | None = None
    path: Path | str | None = None
    error: Exception | None = None
    states: tuple[SessionState, ...] = ()
    elapsed: float = 0.0
    not_started: bool = False
    failures: tuple[SessionFailed, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the job got everything it asked for."""
        return self.error is None

    def __repr__(self) -> str:
        if self.not_started:
            return f"<Outcome {self.key!r} not started>"
        session = f" {self.session_id}" if self.session_id else ""
        end = "ok" if self.error is None else type(self.error).__name__
        return f"<Outcome {self.key!r}{session} {end} after {self.elapsed:.0f} s>"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEvent:
    """
    Something that happened to one job of a batch.

    Events of one job come in order, each before the job goes on. An async `on_event` is awaited.

    `creating` comes before the first request that can make the session, and `created` with its ref before
    anything else is done with it. Written down at once, the two let another process continue after a crash: with
    `Job(ref=...)` after `created`; with `Job(idempotency_key=..., begun_at=started_at)` after `creating` alone. If
    `on_event` fails on `creating`, nothing is sent; if it fails on `created`, the session goes on to its end. Either
    way its exception is the outcome's `error`, and nothing more is created. What it raises on other events is logged.

    Attributes:
        kind: `creating` (with `idempotency_key`, `started_at`); `created` (with `ref`; also for a session that was
            found or restored); `state` (with `state`: a transition; where the batch has `progress=True` also new
            progress or new messages); `paused` (with `state`: a reviewer is asked now); `answered` (with `answer`);
            `downloading` (with `transfer`, at most ten times a second); `downloaded` (with `path`); `ended` (with
            `outcome`, for every job, also one not started).
        key: The job's key, or its position in the input as text.
        job: The job; None when the input held a text of which none could be made.
        session_id: The session's id, from `created` on.
        ref: What `Job(ref=...)` continues: on `created`, `paused` and `answered`.
        idempotency_key: The key of the create.
        started_at: When it was first about to be sent; the job's own `begun_at` if it has one.
        state: The newest state.
        answer: What the reviewer answered and the service took.
        transfer: How far the download is.
        path: Where the video was saved: a path, or an address as text.
        outcome: How it ended.
        spent: With a budget: what the batch has spent so far.
        reserved: With a budget: what the jobs under way may still cost.
    """

    kind: EventKind
    key: str
    job: Job | None = None
    session_id: str | None = None
    ref: bytes | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    started_at: datetime | None = None
    state: SessionState | None = field(default=None, repr=False)
    answer: Answer | None = None
    transfer: Transfer | None = None
    path: Path | str | None = None
    outcome: Outcome | None = None
    spent: float | None = None
    reserved: float | None = None
