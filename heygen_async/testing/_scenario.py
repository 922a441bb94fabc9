"""
Life cycles of a session, as data: what it does by itself, and what it does after a message of the caller.

A session is a series of *runs*. The create starts the first, every message another. A run is a series of steps and ends
in a step that waits for the caller or in a final one. The status at any moment follows from the run and the time since
it began; nothing counts requests.
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from ..errors import InvalidArgument
from ..errors._arguments import check_choice, check_count, check_positive, check_text, check_type
from ._arguments import check_optional, check_seconds, check_tuple
from ._storage.media import VIDEO_SECONDS

if TYPE_CHECKING:
    from ._probe.cassette import Life

Status = Literal["thinking", "waiting_for_input", "reviewing", "generating", "completed", "failed"]
Mode = Literal["generate", "chat"]

_RunChange = Callable[["tuple[Step, ...]"], "tuple[Step, ...]"]

ACTIVE: Final = frozenset({"thinking", "generating"})
FINAL: Final = frozenset({"completed", "failed"})
THINKING_SECONDS: Final = 20.0
GENERATING_SECONDS: Final = 90.0
REVIEW_BEFORE_FAILURE_SECONDS: Final = 30.0
_VIDEO_MOMENTS: Final = ("create", "generating", "never")

APPROVALS: Final = (
    "approve",
    "go ahead",
    "looks good",
    "look good",
    "looks great",
    "lgtm",
    "proceed",
    "ship it",
    "generate it",
    "render it",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    Something the agent says when a step begins.

    Attributes:
        content: The text.
        pictures: How many storyboard pictures it refers to.
        is_error: Whether it is a message of type `error`.
    """

    content: str
    pictures: int = 0
    is_error: bool = False

    def __post_init__(self) -> None:
        check_type(str, "a string", content=self.content)
        check_count(0, pictures=self.pictures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """
    One stretch of a session's life.

    Attributes:
        status: The status shown during it.
        seconds: How long it lasts; infinite for one that waits, ends, or hangs.
        progress: Progress at its beginning and at its end, linear between.
        says: What the agent says when it begins.
    """

    status: str
    seconds: float = math.inf
    progress: tuple[int, int] = (0, 0)
    says: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        check_text(status=self.status)
        check_seconds(seconds=self.seconds)
        check_tuple(int, "two whole numbers", progress=self.progress)
        check_tuple(Line, "a tuple of lines", says=self.says)


THINK: Final = Step(status="thinking", seconds=THINKING_SECONDS, progress=(0, 35))
ASK: Final = Step(
    status="waiting_for_input",
    progress=(15, 15),
    says=(Line(content="Who is the audience: newcomers or professionals?"),),
)
REVIEW: Final = Step(
    status="reviewing",
    progress=(40, 40),
    says=(Line(content="Here is the storyboard. Shall I go ahead?", pictures=3),),
)
RENDER: Final = Step(
    status="generating",
    seconds=GENERATING_SECONDS,
    progress=(40, 99),
    says=(Line(content="I am rendering your video now."),),
)
CHAT: Final = Step(
    status="waiting_for_input",
    says=(Line(content="Hello! What would you like a video about?"),),
)
CREDIT_CODE: Final = "MOVIO_PAYMENT_INSUFFICIENT_CREDIT"
DONE: Final = Step(status="completed", progress=(100, 100), says=(Line(content="Your video is ready."),))
FAILURE: Final = "The narration could not be synthesized."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    How sessions live: their runs, and what becomes of their videos.

    Start from a class method, then refine with the builder methods; each returns a new scenario.

    Attributes:
        opening: The run the create starts.
        answer: The run a message starts while the session waits for input.
        revision: The run any other message starts, also on a completed session.
        approval: The run a message that reads like an approval starts during a review.
        video_at: When the session learns its `video_id`: `create`, `generating`, or `never`.
        video_lag: Seconds the video stays `processing` after the session completed.
        url_lag: Seconds a completed video goes without a `video_url`.
        failure_reason: What a failed video and the agent say, or None for null fields.
        failure_code: The code of a failed video, where there is a reason.
        omits_failure: Whether a failed video lacks the failure fields rather than having nulls.
        video_seconds: How long the service says a video is; the file it serves stays the same.
    """

    opening: tuple[Step, ...]
    answer: tuple[Step, ...] = (THINK, REVIEW)
    revision: tuple[Step, ...] = (THINK, REVIEW)
    approval: tuple[Step, ...] = (RENDER, DONE)
    video_at: Literal["create", "generating", "never"] = "generating"
    video_lag: float = 0.0
    url_lag: float = 0.0
    failure_reason: str | None = FAILURE
    failure_code: str = "generation_failed"
    omits_failure: bool = False
    video_seconds: float = VIDEO_SECONDS

    def __post_init__(self) -> None:
        runs = {name: getattr(self, name) for name in ("opening", "answer", "revision", "approval")}
        check_tuple(Step, "a tuple of steps", **runs)
        check_choice(_VIDEO_MOMENTS, video_at=self.video_at)
        check_seconds(video_lag=self.video_lag, url_lag=self.url_lag, video_seconds=self.video_seconds)
        check_optional(str, "a string", failure_reason=self.failure_reason)
        check_text(failure_code=self.failure_code)

    @classmethod
    def chat(cls) -> Scenario:
        """Return the default of `mode="chat"`: think, pause for review, and render once approved."""
        return cls(opening=(THINK, REVIEW))

    @classmethod
    def question(cls) -> Scenario:
        """Return a chat that first asks the caller something (`waiting_for_input`)."""
        return cls(opening=(THINK, ASK))

    @classmethod
    def generate(cls) -> Scenario:
        """Return the default of `mode="generate"`: think, render, done, with no pause."""
        run = (THINK, RENDER, DONE)
        return cls(opening=run, answer=run, revision=run)

    @classmethod
    def failing(
        cls, at: Status = "thinking", *, with_reason: bool = True, mode: Mode = "generate"
    ) -> Scenario:
        """
        Return a life that ends in `failed` after the stage `at`.

        Failing at `thinking` happens before a video exists.

        Args:
            at: `thinking`, `reviewing`, `waiting_for_input`, or `generating`.
            with_reason: False leaves every failure field null and the agent silent.
            mode: Which of the two default lives is cut short.

        Raises:
            InvalidArgument: The life has no such stage.
        """
        check_choice(("generate", "chat"), mode=mode)
        base = cls.question() if at == "waiting_for_input" else cls.chat()
        if mode == "generate" and at in ACTIVE:
            base = cls.generate()
        return base.fails(at=at, with_reason=with_reason)

    @classmethod
    def conversational(cls) -> Scenario:
        """Return a session that only talks, as after "say hello" in generate mode: it never makes a video."""
        return cls(
            opening=(THINK, CHAT), answer=(THINK, CHAT), revision=(THINK, CHAT), approval=(THINK, CHAT)
        )

    @classmethod
    def credit_runs_out(cls) -> Scenario:
        """Return a session that is accepted, and whose video fails for want of credit."""
        life = replace(cls.generate().fails(at="generating"), failure_code=CREDIT_CODE)
        return life.with_failure_reason("Insufficient credit.")

    @classmethod
    def silent_failure(cls) -> Scenario:
        """Return a session that fails before it has a video, with progress 0 and not a word about it."""
        opener = Line(content="Sure, I will make your video!")
        think = replace(THINK, progress=(0, 0), says=(opener,))
        return cls(opening=(think, Step(status="failed")), failure_reason=None, omits_failure=True)

    @classmethod
    def stuck(cls) -> Scenario:
        """Return a session that thinks for ever."""
        return cls(opening=(replace(THINK, seconds=math.inf),))

    @classmethod
    def from_cassette(cls, path: str | os.PathLike[str]) -> Scenario:
        """
        Return the life of the session that a probe recorded: its statuses and their times, progress, messages, failure.

        Args:
            path: The cassette of `heygen-async probe --pay --cassette PATH`.

        Raises:
            ValueError: It is no cassette, or there is no session in it.
            OSError: It cannot be read.
        """
        check_type(str | os.PathLike, "a path", path=path)
        from ._probe.cassette import load_cassette, read_life

        life = read_life(load_cassette(pathlib.Path(path)).exchanges)
        runs = {name: _steps(life, name) for name in life.runs}
        base = cls(opening=runs["create"], video_at=life.video_at, video_lag=life.video_lag)
        return replace(
            base,
            answer=runs.get("answer", base.answer),
            approval=runs.get("approve", base.approval),
            failure_reason=life.failure_message,
            failure_code=life.failure_code or base.failure_code,
        )

    def fails(self, *, at: Status, with_reason: bool = True) -> Scenario:
        """
        Return this life cut short: the first stage `at` of each run is followed by `failed`.

        Args:
            at: The stage.
            with_reason: False leaves every failure field null and the agent silent.

        Raises:
            InvalidArgument: No run has such a stage.
        """
        reason = FAILURE if with_reason else None
        cut = self._each_run(lambda run: _fail(run, at, reason))
        if cut == self:
            raise InvalidArgument("at", f"must be a stage of one of the runs; none has {str(at)!r}")
        return replace(cut, failure_reason=reason)

    def timed(
        self, *, thinking: float = THINKING_SECONDS, generating: float = GENERATING_SECONDS
    ) -> Scenario:
        """
        Return this life with other durations.

        Args:
            thinking: Seconds of each thinking step.
            generating: Seconds of each rendering.

        Raises:
            InvalidArgument: One of them is no number from zero on.
        """
        check_seconds(thinking=thinking, generating=generating)
        seconds = {"thinking": thinking, "generating": generating}

        def retime(run: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple(replace(step, seconds=seconds.get(step.status, step.seconds)) for step in run)

        return self._each_run(retime)

    def at_speed(self, speed: float) -> Scenario:
        """
        Return this life with every duration divided by `speed`.

        Raises:
            InvalidArgument: It is no number above zero.
        """
        check_positive(speed=speed)

        def hasten(run: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple(replace(step, seconds=step.seconds / speed) for step in run)

        hastened = self._each_run(hasten)
        return replace(hastened, video_lag=self.video_lag / speed, url_lag=self.url_lag / speed)

    def with_video_at(self, moment: Literal["create", "generating", "never"]) -> Scenario:
        """
        Return this life with its `video_id` known from the create on, from rendering on, or never.

        Raises:
            InvalidArgument: It is none of these.
        """
        check_choice(_VIDEO_MOMENTS, moment=moment)
        return replace(self, video_at=moment)

    def with_lag(self, *, video: float = 0.0, url: float = 0.0) -> Scenario:
        """
        Return this life with videos that lag behind their session.

        Args:
            video: Seconds a video stays `processing` after the session completed.
            url: Seconds it then goes without a `video_url`.

        Raises:
            InvalidArgument: One of them is no number from zero on.
        """
        check_seconds(video=video, url=url)
        return replace(self, video_lag=video, url_lag=url)

    def with_video_seconds(self, seconds: float) -> Scenario:
        """
        Return this life with videos of another length, which is what they cost.

        Args:
            seconds: How long the service says they are; the file it serves stays the same.

        Raises:
            InvalidArgument: It is no number from zero on.
        """
        check_seconds(seconds=seconds)
        return replace(self, video_seconds=seconds)

    def muted(self) -> Scenario:
        """Return this life with null failure fields and an agent that reports no error."""
        return replace(self._each_run(without_errors), failure_reason=None)

    def cut_run(self, run: tuple[Step, ...]) -> tuple[Step, ...]:
        """Return a run of this life that fails after its rendering, for this life's reason."""
        return _fail(run, "generating", self.failure_reason)

    def can_fail(self, *, at: Status) -> bool:
        """Return whether a run has such a stage."""
        runs = (self.opening, self.answer, self.revision, self.approval)
        return any(step.status == at for run in runs for step in run)

    def with_failure_reason(self, reason: str, *, code: str | None = None) -> Scenario:
        """
        Return this life with another reason for its failures.

        Args:
            reason: What a failed video and the agent say.
            code: The code of a failed video; as before when None.

        Raises:
            InvalidArgument: One of them is no text.
        """
        check_type(str, "a string", reason=reason)
        check_optional(str, "a string", code=code)

        def change(run: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple(failed_step(reason) if step.status == "failed" else step for step in run)

        changed = self._each_run(change)
        return replace(changed, failure_reason=reason, failure_code=code or self.failure_code)

    def with_more_thinking(self, seconds: float) -> Scenario:
        """
        Return this life with so many seconds added to each thinking step.

        Raises:
            InvalidArgument: It is no number from zero on.
        """
        check_seconds(seconds=seconds)

        def prolong(run: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple(
                replace(step, seconds=step.seconds + seconds) if step.status == "thinking" else step
                for step in run
            )

        return self._each_run(prolong)

    def run_for(self, status: str, text: str, *, proceed: bool = False) -> tuple[Step, ...]:
        """
        Return the run that a message starts.

        Args:
            status: What the session is at that moment.
            text: The message.
            proceed: Whether it carries `auto_proceed`.
        """
        if status == "waiting_for_input":
            return self.answer
        if status == "reviewing" and (proceed or reads_like_approval(text)):
            return self.approval
        return self.revision

    def opening_run(self, *, proceed: bool) -> tuple[Step, ...]:
        """Return the first run; with `proceed` it renders without stopping for a review."""
        if not proceed or self.opening[-1].status != "reviewing":
            return self.opening
        return self.opening[:-1] + self.approval

    def _each_run(self, change: _RunChange) -> Scenario:
        return replace(
            self,
            opening=change(self.opening),
            answer=change(self.answer),
            revision=change(self.revision),
            approval=change(self.approval),
        )


def reads_like_approval(text: str) -> bool:
    """Return whether plain words mean "go ahead"."""
    lowered = text.casefold()
    negated = any(
        word in lowered for word in ("don't", "do not", "not yet", "before you", "disapprove", " but ")
    )
    return not negated and any(phrase in lowered for phrase in APPROVALS)


def without_errors(run: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return a run in which the agent reports no error."""
    return tuple(replace(step, says=tuple(line for line in step.says if not line.is_error)) for step in run)


def failed_step(reason: str | None) -> Step:
    """Return the final step of a failure, in which the agent gives the reason if there is one."""
    says = (Line(content=reason, is_error=True),) if reason else ()
    return Step(status="failed", says=says)


def _steps(life: Life, name: str) -> tuple[Step, ...]:
    """Return a recorded run; its last step goes on for ever."""
    stretches = life.runs[name]
    begins = [life.begins[name], *(stretch.since for stretch in stretches[1:]), math.inf]
    return tuple(
        Step(
            status=stretch.status,
            seconds=ends_at - began_at,
            progress=stretch.progress,
            says=tuple(
                Line(content=content, pictures=pictures, is_error=is_error)
                for content, pictures, is_error in stretch.says
            ),
        )
        for stretch, began_at, ends_at in zip(stretches, begins, begins[1:], strict=False)
    )


def _fail(run: tuple[Step, ...], at: str, reason: str | None) -> tuple[Step, ...]:
    for index, step in enumerate(run):
        if step.status == at:
            seconds = REVIEW_BEFORE_FAILURE_SECONDS if math.isinf(step.seconds) else step.seconds
            last = replace(failed_step(reason), progress=(step.progress[1],) * 2)
            return (*run[:index], replace(step, seconds=seconds), last)
    return run
