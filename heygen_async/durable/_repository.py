"""
What is written down, and when: every change of a job is one transaction, together with the work it queues.

Nothing here waits or decides. A change names the attempt and the turn it belongs to and does nothing when the job has
moved on since, so that work done twice (a process thought dead that was only slow) is written once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy import bindparam, exc

from .._batch.second_tries import PAUSE_SECONDS
from . import _records
from ._money import MoneyRows
from ._schema import AN_ATTEMPT, CONTINUE, JOBS, RENDER, REVIEW, SESSIONS, JobRow, MovedOn, Stage
from ._types import ALIVE, Phase

_CHUNK: Final = 500
_OWNER: Final = sa.select(SESSIONS.c.batch, SESSIONS.c.key, SESSIONS.c.attempt).where(
    SESSIONS.c.session_id == bindparam("session")
)
_OWN: Final = sa.insert(SESSIONS)
_LAST_END: Final = sa.select(sa.func.max(JOBS.c.ended)).where(JOBS.c.batch == bindparam("of_batch"))


class Repository(MoneyRows):
    """The changes of a job's life; see `JobRows`."""

    # -- queues --

    def open_queues(self, most: int, poll: float, *, anew: bool) -> None:
        """Make the queues; those that are there are set `anew`, or left as they are."""
        register = self._engine.client.register_queue
        conflict: Literal["always_update", "never_update"] = "always_update" if anew else "never_update"
        register(self.queue, global_concurrency=most, polling_interval_sec=poll, on_conflict=conflict)
        register(self.reviews, polling_interval_sec=poll, on_conflict=conflict)

    def window(self, most: int | None = None) -> int:
        """Return how many jobs may be in progress, on all machines together; set it first if a number is given."""
        queue = self._engine.client.retrieve_queue(self.queue)
        assert queue is not None  # noqa: S101 - made when the batch was opened
        if most is not None:
            queue.set_global_concurrency(most)
            return most
        return int(queue.global_concurrency or 1)

    # -- submitting --

    def submit(self, jobs: Sequence[tuple[str, str, str]]) -> tuple[list[str], dict[str, str]]:
        """
        Queue the jobs, as (key, prompt id, record), that are not known.

        Returns:
            The new keys, and the records of known jobs that differ, by key.
        """
        new: list[str] = []
        changed: dict[str, str] = {}
        for start in range(0, len(jobs), _CHUNK):
            queued, differing = self._unless_raced(self._submit, jobs[start : start + _CHUNK])
            new += queued
            changed |= differing
        return new, changed

    def find_changed(self, jobs: Sequence[tuple[str, str, str]]) -> dict[str, str]:
        """Return the records of known jobs that differ from these, by key."""
        changed: dict[str, str] = {}
        with self._reading() as connection:
            for start in range(0, len(jobs), _CHUNK):
                chunk = jobs[start : start + _CHUNK]
                changed |= _differing(self._known(connection, [key for key, _, _ in chunk]), chunk)
        return changed

    def _submit(self, jobs: Sequence[tuple[str, str, str]]) -> tuple[list[str], dict[str, str]]:
        with self._writing() as connection:
            known = self._known(connection, [key for key, _, _ in jobs])
            new = self._insert(connection, [job for job in jobs if job[0] not in known])
        return new, _differing(known, jobs)

    def _known(self, connection: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
        query = sa.select(JOBS.c.key, JOBS.c.job).where(self._mine(), JOBS.c.key.in_(keys))
        return {row.key: row.job for row in connection.execute(query)}

    def _insert(self, connection: sa.Connection, jobs: Sequence[tuple[str, str, str]]) -> list[str]:
        if not jobs:
            return []
        last = connection.execute(sa.select(sa.func.max(JOBS.c.number)).where(self._mine())).scalar() or 0
        rows = [
            {
                "batch": self.name,
                "key": key,
                "number": last + at,
                "phase": "queued",
                "attempt": 1,
                "prompt_id": prompt,
                "job": job,
            }
            for at, (key, prompt, job) in enumerate(jobs, 1)
        ]
        connection.execute(sa.insert(JOBS), rows)
        for key, _, _ in jobs:
            self._enqueue(connection, RENDER, Stage(key=key, attempt=1, turn=0))
        return [key for key, _, _ in jobs]

    # -- creating --

    def begin_create(self, stage: Stage, sender: str, now: float) -> JobRow | None:
        """
        Announce a create before it is sent, reserve its money, and make a sender the only one that may send it.

        Returns:
            The job as it is now, left alone if it has its session; None while another create of the same prompt is
            under way.

        Raises:
            MovedOn: The job is not to be created any more, or waits for money now.
            InvalidArgument: The job does not say how long its video will be, and the batch has a budget.
        """
        try:
            with self._writing() as connection:
                has_budget = self._take_turn_for_money(connection)
                row = self._at(connection, stage, "queued", "creating", "rendering")
                if row.session_id is None:
                    row = self._begin_create(connection, row, sender, now, has_budget=has_budget)
        except exc.IntegrityError:
            return None
        if row.phase == "unfunded":
            raise MovedOn
        return row

    def _begin_create(
        self, connection: sa.Connection, row: JobRow, sender: str, now: float, *, has_budget: bool
    ) -> JobRow:
        if has_budget and row.phase == "queued" and not self._reserve_create(connection, row):
            return self._change(connection, row, phase="unfunded")
        # Of a create in doubt the key is kept: an older release may have made another.
        key = row.create_key or _records.create_key(
            self.name, row.key, row.attempt, _records.read_job(row.job, row.key)
        )
        began = now if row.begun_at is None else row.begun_at
        return self._change(connection, row, phase="creating", create_key=key, begun_at=began, sender=sender)

    def claim(self, stage: Stage, sender: str) -> JobRow:
        """
        Make a sender the only one that may send for a job, and return the job as it is now.

        Raises:
            MovedOn: The job is elsewhere.
        """
        with self._writing() as connection:
            row = self._at(connection, stage, "rendering", "answered")
            return self._change(connection, row, sender=sender)

    def permit(self, stage: Stage, sender: str, sent_at: float, now: float) -> tuple[JobRow, list[str]]:
        """
        Record that a create is sent now, if its sender is still the one that may.

        A process that was thought dead, and whose job has been taken over, learns it here.

        Args:
            stage: Which part of the job's life it belongs to.
            sender: Who sends it.
            sent_at: When it was sent first, if not now.
            now: When.

        Returns:
            The job as it is now, and the sessions that others made of its prompt; see `sessions_of`.

        Raises:
            MovedOn: It is not.
        """
        with self._writing(reads=False) as connection:
            row = self._change_if(connection, stage, "creating", by=sender, sent_at=sent_at)
            if row is None:
                raise MovedOn
            return row, self._sessions_of(connection, row.prompt_id, now)

    def not_created(self, stage: Stage, sender: str, phase: Phase = "creating") -> None:
        """Record that the service refused a sender's create, so that there is nothing to search for."""
        with self._writing() as connection:
            self._take_turn_for_money(connection)
            row = self._find(connection, stage, "creating", sender=sender)
            if row is not None:
                self._change(connection, row, phase=phase, sent_at=None)
                if phase == "queued":
                    self._settle(connection, stage.key, 0.0)

    def own(self, stage: Stage, prompt_id: str, session_id: str, ref: str, now: float) -> JobRow | None:
        """
        Record a session as a job's, which goes on rendering.

        Returns:
            The job as it is now; None when the session is another job's.

        Raises:
            MovedOn: The job has been forgotten.
        """
        job = {"batch": self.name, "key": stage.key, "attempt": stage.attempt}
        session = {"session_id": session_id, "prompt_id": prompt_id, "owned_at": now}
        try:
            with self._writing(reads=False) as connection:
                connection.execute(_OWN, job | session)
                return self._record_session(connection, stage, session_id, ref)
        except exc.IntegrityError:
            with self._writing() as connection:
                owner = connection.execute(_OWNER, {"session": session_id}).mappings().one()
                return self._record_session(connection, stage, session_id, ref) if owner == job else None

    def _record_session(self, connection: sa.Connection, stage: Stage, session_id: str, ref: str) -> JobRow:
        row = self._change_if(
            connection, stage, "queued", "creating", session_id=session_id, ref=ref, phase="rendering"
        )
        if row is not None:
            return row
        row = self._row(connection, stage.key, to_change=True)  # it was cancelled, for instance
        if row is None:
            raise MovedOn
        return (
            row if self.stage(row) != stage else self._change(connection, row, session_id=session_id, ref=ref)
        )

    # -- pauses and answers --

    def pause(
        self, stage: Stage, *, ref: str, pause: str, states: str, now: float, answer: str | None
    ) -> None:
        """Record that a session waits, and queue what follows: the answer if it is known, else a review."""
        following = Stage(key=stage.key, attempt=stage.attempt, turn=stage.turn + 1)
        with self._writing() as connection:
            row = self._at(connection, stage, "rendering", "answered")
            self._change(
                connection,
                row,
                phase="reviewing" if answer is None else "answered",
                turn=following.turn,
                ref=ref,
                pause=pause,
                states=states,
                paused_at=now,
                answer=answer,
                said=False,
            )
            self._enqueue(connection, REVIEW if answer is None else CONTINUE, following)

    def answer(self, key: str, answer: str | None, asked: Stage | None = None) -> bool:
        """
        Record the answer to a pause and queue what follows.

        Args:
            key: The job's.
            answer: A record; None when it was given elsewhere, so that there is nothing to send.
            asked: The pause it is for; None for the one there is.

        Returns:
            False when the job does not wait for it (any more).
        """
        with self._writing() as connection:
            row = self._row(connection, key, to_change=True)
            if row is None or row.phase != "reviewing" or asked not in (None, self.stage(row)):
                return False
            stage = self.stage(row)
            phase: Phase = "rendering" if answer is None else "answered"
            self._change(connection, row, phase=phase, answer=answer)
            self._enqueue(connection, CONTINUE, stage)
        return True

    def announce_answer(self, stage: Stage, sender: str, *, is_revision: bool) -> bool:
        """
        Record that an answer is sent now, and reserve the money of a revision.

        Returns:
            Whether an earlier process may have sent it.

        Raises:
            MovedOn: Another process has taken the job over.
            ClientStateError: There is no money for a revision; nothing was recorded.
        """
        with self._writing() as connection:
            self._take_turn_for_money(connection)
            row = self._at(connection, stage, "answered", sender=sender)
            if is_revision and not row.said:
                self._reserve_revision(connection, row)
            self._change(connection, row, said=True)
            return row.said

    def check(self, stage: Stage, sender: str) -> None:
        """
        See that a sender of an answer is still the one that may.

        Raises:
            MovedOn: Another process has taken the job over.
        """
        with self._reading() as connection:
            self._at(connection, stage, "answered", sender=sender)

    def record_answer(self, stage: Stage, ref: str) -> None:
        """Record that the service took an answer."""
        with self._writing() as connection:
            row = self._find(connection, stage)
            if row is not None:
                phase: Phase = "rendering" if row.phase == "answered" else row.phase
                self._change(connection, row, ref=ref, phase=phase)

    # -- ending --

    def begin_second_try(
        self, stage: Stage, *, outcome: str, among: Collection[Phase] = ALIVE, sender: str | None = None
    ) -> bool:
        """
        Queue a job again whose session failed, with what it has reserved, since that session costs nothing.

        Returns:
            False when it had ended, or has gone on elsewhere; see `end`.
        """
        following = Stage(key=stage.key, attempt=stage.attempt + 1, turn=0)
        values: dict[str, Any] = {**dict.fromkeys(AN_ATTEMPT), "states": None, "outcome": outcome}
        values |= {"phase": "queued", "attempt": following.attempt, "turn": following.turn, "said": False}
        with self._writing() as connection:
            row = self._change_if(connection, stage, *among, by=sender, **values)
            if row is not None:
                self._enqueue(connection, RENDER, following, after=PAUSE_SECONDS)
        return row is not None

    def record(self, stage: Stage, *phases: Phase, **values: str) -> JobRow | None:
        """
        Record what is known of a job, if it is in one of these phases, or whatever its phase if none is named.

        Returns:
            The job as it is now; None when it has gone on elsewhere.
        """
        with self._writing(reads=False) as connection:
            return self._change_if(connection, stage, *phases, **values)

    def end(
        self,
        stage: Stage,
        phase: Phase,
        *,
        outcome: str,
        error: str | None,
        ref: str | None,
        now: float,
        seconds: float | None,
        states: str | None = None,
        among: Collection[Phase] = ALIVE,
        sender: str | None = None,
    ) -> bool:
        """
        Record how a job ended and what it has cost; False when it had ended already, or has gone on elsewhere.

        Args:
            stage: Which part of the job's life this is the end of.
            phase: How it ended.
            outcome: What became of it.
            error: The error in a few words.
            ref: The newest of its session; None to leave it.
            now: When.
            seconds: The video it has paid for; None when that is not known.
            states: What it remembers of its session; None to leave that.
            among: The phases that can be ended so.
            sender: Who may still speak for the job; None for anybody.
        """
        newest = {"ref": ref, "states": states}
        values: dict[str, Any] = {name: value for name, value in newest.items() if value is not None}
        values |= {"phase": phase, "outcome": outcome, "error": error, "ended_at": now}
        return self._unless_raced(self._end, stage, among, sender, values, seconds)

    def _end(
        self,
        stage: Stage,
        among: Collection[Phase],
        sender: str | None,
        values: dict[str, Any],
        seconds: float | None,
    ) -> bool:
        with self._writing() as connection:
            # Whoever listens goes by the numbers: none may appear below one that is there.
            self._take_turn(connection)
            last = connection.execute(_LAST_END, {"of_batch": self.name}).scalar() or 0
            last = max(last, int(values["ended_at"] * 1000))  # the newest may have been purged
            row = self._change_if(connection, stage, *among, by=sender, ended=last + 1, **values)
            if row is not None:
                self._settle(connection, stage.key, seconds)
        return row is not None


def _differing(known: Mapping[str, str], jobs: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    return {key: known[key] for key, _, record in jobs if known.get(key, record) != record}
