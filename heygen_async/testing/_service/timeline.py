"""
Sessions and their videos: what happened to them, and what follows from it at a given moment.

House rule: a record keeps only causes (create, messages, stop). Everything a caller can see is computed from them and
the moment asked about, so that polling more or less often changes nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .._scenario import ACTIVE, FINAL, Line, Scenario, Step, failed_step, without_errors
from .echo import ECHOES

STOP_SECONDS = 2.0
STOPPED = "The session was stopped before it had a video."
MESSAGES_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """A message as the session shows it."""

    role: str
    content: str
    kind: str
    at: float
    resource_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A resource of a session: a storyboard picture, or a file the caller attached."""

    resource_id: str
    created_at: float
    source: str
    number: int
    url: str | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """The steps that one create or one message set off."""

    run_id: str
    number: int
    text: str
    began_at: float
    steps: tuple[Step, ...]
    video_id: str | None = None
    attached: tuple[str, ...] = ()
    stopped: bool = False

    def begun(self, now: float) -> Iterator[tuple[int, Step, float]]:
        """Yield index, step and beginning of each step that has begun by `now`."""
        at = self.began_at
        for index, step in enumerate(self.steps):
            if index and at > now:
                return
            yield index, step, at
            at += step.seconds

    def step_at(self, now: float) -> tuple[Step, float]:
        """Return the step of the moment and when it began."""
        *_, (_, step, at) = self.begun(now)
        return step, at

    def span(self, status: str) -> tuple[float, float] | None:
        """Return beginning and end of the first step of this status, if there is one."""
        for _, step, at in self.begun(math.inf):
            if step.status == status:
                return at, at + step.seconds
        return None

    def cut(self, now: float, last: Step) -> None:
        """End the run at its next checkpoint, a moment after `now`, with `last`."""
        kept: list[Step] = []
        for _, step, at in self.begun(now + STOP_SECONDS):
            kept.append(replace(step, seconds=min(step.seconds, now + STOP_SECONDS - at)))
        self.steps = (*kept, last)
        self.stopped = True


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """What reads showed of a session at some time."""

    status: str
    progress: int
    video_id: str | None


@dataclass(slots=True)
class StaleReads:
    """What reads still show of a session after a message, and for how many polls."""

    snapshot: SessionSnapshot
    since: float
    polls: int


@dataclass(slots=True, kw_only=True)
class SessionFaults:
    """What faults did to one session for good."""

    stuck_since: float | None = None
    gone_with_video: bool = False
    created_at_offset: float = 0.0
    early_404s: int = 0
    stale: StaleReads | None = None
    lag_after_message: float = 0.0
    replica_lag: float = 0.0
    replica_reads: int = 0
    listed_after: float = 0.0
    echo: str | None = None
    hides_messages: bool = False
    extra_messages: list[SimulatedMessage] = field(default_factory=list[SimulatedMessage])


@dataclass(slots=True, kw_only=True)
class SimulatedSession:
    """One session of the service."""

    session_id: str
    mode: str
    prompt: str
    created_at: float
    scenario: Scenario
    promised_video_id: str | None = None
    callback_id: str | None = None
    callback_url: str | None = None
    runs: list[Run] = field(default_factory=list[Run])
    uploads: list[Attachment] = field(default_factory=list[Attachment])
    faults: SessionFaults = field(default_factory=SessionFaults)

    @property
    def title(self) -> str:
        """The first words of the prompt."""
        return " ".join(self.prompt.split()[:6])[:80] or "Untitled"

    def status(self, now: float) -> str:
        """Return the status at `now`."""
        return self._step_at(now)[0].status

    def is_active(self, now: float) -> bool:
        """Return whether the session counts as a job in progress."""
        return self.status(now) in ACTIVE

    def next_change(self, now: float) -> float:
        """Return when the next step begins; infinity for never."""
        return next((at for _, _, at in self.runs[-1].begun(math.inf) if at > now), math.inf)

    def progress(self, now: float) -> int:
        """Return the progress at `now`, 0 to 100."""
        step, began_at = self._step_at(now)
        first, last = step.progress
        if math.isinf(step.seconds) or step.seconds <= 0:
            return first
        return first + int((last - first) * min(1.0, (now - began_at) / step.seconds))

    def end_time(self, now: float) -> float | None:
        """Return when the session ended, if it has."""
        step, began_at = self._step_at(now)
        return began_at if step.status in FINAL else None

    def ends_at(self, run: Run) -> float:
        """Return when a run ends for good; infinity for never, and while it waits for the caller."""
        if self.faults.stuck_since is not None:
            return math.inf
        return next((at for _, step, at in run.begun(math.inf) if step.status in FINAL), math.inf)

    def messages(self, now: float) -> list[SimulatedMessage]:
        """Return the messages sent by `now`, oldest first."""
        if self.faults.hides_messages:
            return []
        begun = [run for run in self.runs if run.began_at <= now]
        sent = [message for run in begun for message in self._of_run(run, now)]
        if self.faults.extra_messages:
            sent.extend(message for message in self.faults.extra_messages if message.at <= now)
            sent.sort(key=lambda message: message.at)
        return sent

    def attachment(self, resource_id: str, now: float) -> Attachment | None:
        """Return a resource that exists by `now`."""
        for upload in self.uploads:
            if upload.resource_id == resource_id:
                return upload
        for message in self.messages(now):
            if resource_id in message.resource_ids:
                number = int(hashlib.sha256(resource_id.encode()).hexdigest()[:4], 16)
                return Attachment(
                    resource_id=resource_id, created_at=message.at, source="generated", number=number
                )
        return None

    def video_ids(self, now: float) -> list[str]:
        """Return the ids of the videos that exist by `now`, oldest first."""
        seen = [run.video_id for run in self.runs if run.video_id and self._video_began(run, now)]
        if self.promised_video_id and self.promised_video_id not in seen:
            seen.insert(0, self.promised_video_id)
        return seen

    def video_id(self, now: float) -> str | None:
        """Return the id of the newest video, if there is one."""
        ids = self.video_ids(now)
        return ids[-1] if ids else None

    def run_of(self, video_id: str) -> Run | None:
        """Return the run that makes this video, if one does."""
        return next((run for run in self.runs if run.video_id == video_id), None)

    def stop(self, now: float) -> None:
        """
        End what goes on at the next checkpoint, two seconds later.

        The documents leave the resulting status open. Here: `completed` if an earlier run made a video, otherwise
        `failed` with a message that says so.
        """
        if not self.runs or self.status(now) in FINAL:
            return
        run = self.runs[-1]
        made = any(other.video_id and other is not run for other in self.runs)
        last = Step(status="completed", progress=(100, 100)) if made else failed_step(STOPPED)
        run.cut(now, last)

    def read_moment(self, now: float) -> float:
        """Return the moment that a read at `now` shows: an earlier one, where replicas lag."""
        faults, newest = self.faults, self.runs[-1]
        if len(self.runs) > 1 and now < newest.began_at + faults.lag_after_message:
            return math.nextafter(newest.began_at, 0.0)
        faults.replica_reads += 1
        return max(self.created_at, now - faults.replica_lag * (faults.replica_reads % 2))

    def snapshot(self, now: float) -> SessionSnapshot:
        """Return what a read at `now` shows, but for the messages."""
        return SessionSnapshot(self.status(now), self.progress(now), self.video_id(now))

    def fail_video(self, reason: str, code: str) -> None:
        """Fail wherever a video is rendered."""
        failing = self.scenario.fails(at="generating").with_failure_reason(reason, code=code)
        for run in self.runs:
            run.steps = failing.cut_run(run.steps)
        self.scenario = failing

    def drop_failure_text(self) -> None:
        """Fail with null fields and a silent agent, if at all."""
        self.scenario = self.scenario.muted()
        for run in self.runs:
            run.steps = without_errors(run.steps)

    def _step_at(self, now: float) -> tuple[Step, float]:
        since = self.faults.stuck_since
        run = next((run for run in reversed(self.runs) if run.began_at <= now), self.runs[0])
        return run.step_at(now if since is None else min(now, since))

    def _video_began(self, run: Run, now: float) -> bool:
        span = run.span("generating")
        return span is not None and span[0] <= now

    def _of_run(self, run: Run, now: float) -> Iterator[SimulatedMessage]:
        yield from self._user_messages(run)
        for index, step, at in run.begun(self._horizon(now, run)):
            for position, line in enumerate(step.says):
                yield self._model_message(line, at, f"{run.number}{index}{position}")

    def _user_messages(self, run: Run) -> Iterator[SimulatedMessage]:
        text = ECHOES[self.faults.echo](run.text) if self.faults.echo else run.text
        if self.faults.echo == "attachments" and run.attached:
            yield SimulatedMessage(role="user", content=text, kind="text", at=run.began_at)
            text = ""
        kind = "resource" if run.attached else "text"
        yield SimulatedMessage(
            role="user", content=text, kind=kind, at=run.began_at, resource_ids=run.attached
        )

    def _horizon(self, now: float, run: Run) -> float:
        """Return until when a run sends messages: the next one ends it."""
        after = next((other.began_at for other in self.runs if other.number == run.number + 1), math.inf)
        stuck = self.faults.stuck_since
        return min(now, after, math.inf if stuck is None else stuck)

    def _model_message(self, line: Line, at: float, position: str) -> SimulatedMessage:
        stem = self.session_id.removeprefix("sess_")
        ids = tuple(f"res_{stem}_{position}_{count}" for count in range(line.pictures))
        kind = "error" if line.is_error else "resource" if ids else "text"
        return SimulatedMessage(role="model", content=line.content, kind=kind, at=at, resource_ids=ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoView:
    """A video at one moment."""

    video_id: str
    status: str
    title: str
    created_at: float
    completed_at: float | None = None
    has_url: bool = False
    failure: str | None = None


def view_video(session: SimulatedSession, video_id: str, now: float) -> VideoView:
    """Return what a video of the session is at `now`."""
    run = session.run_of(video_id)
    span = run.span("generating") if run else None
    begun = session.created_at if span is None or video_id == session.promised_video_id else span[0]
    view = VideoView(video_id=video_id, status="pending", title=session.title, created_at=begun)
    if run is None or span is None:
        status = "failed" if session.status(now) == "failed" else "pending"
        return replace(
            view, status=status, failure=session.scenario.failure_reason if status == "failed" else None
        )
    if now < span[0]:
        return view
    if session.faults.stuck_since is not None:
        return replace(view, status="processing")
    return _view_after_render(session, run, view, span[1], now)


def _view_after_render(
    session: SimulatedSession, run: Run, view: VideoView, ended_at: float, now: float
) -> VideoView:
    after = next((step for _, step, at in run.begun(math.inf) if at >= ended_at), None)
    if after is None or now < ended_at:
        return replace(view, status="processing")
    if run.stopped:
        return replace(view, status="failed", failure=STOPPED)
    if after.status != "completed":
        return replace(view, status="failed", failure=session.scenario.failure_reason)
    ready_at = ended_at + session.scenario.video_lag
    if now < ready_at:
        return replace(view, status="processing")
    has_url = now >= ready_at + session.scenario.url_lag
    return replace(view, status="completed", completed_at=ready_at, has_url=has_url)


def newest_first(messages: list[SimulatedMessage]) -> list[SimulatedMessage]:
    """Return at most 40 messages, newest first, as the service shows them."""
    return list(itertools.islice(reversed(messages), MESSAGES_SHOWN))
