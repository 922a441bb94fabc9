"""
What is written down, and when: every change of a job is one transaction, together with the work it queues.

Nothing here waits or decides. A change names the attempt and the turn it belongs to and does nothing when the job has
moved on since, so that work done twice (a process thought dead that was only slow) is written once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy import exc

from .._batch.second_tries import PAUSE_SECONDS
from ._money import MoneyRows
from ._schema import AN_ATTEMPT, CONTINUE, JOBS, RENDER, REVIEW, SESSIONS, JobRow, MovedOn, Stage
from ._types import ALIVE, Phase

_CHUNK: Final = 500


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

    def begin_create(self, stage: Stage, create_key: str, now: float) -> bool:
        """
        Announce a create before it is sent, and reserve its money.

        Returns:
            False while another one of the same prompt is under way.

        Raises:
            MovedOn: The job is not to be created any more, or waits for money now.
            InvalidArgument: The job does not say how long its video will be, and the batch has a budget.
        """
        try:
            with self._writing() as connection:
                self._take_turn_for_money(connection)
                row = self._at(connection, stage, "queued", "creating")
                is_funded = row.phase == "creating" or self._reserve_create(connection, row)
                began = now if row.begun_at is None else row.begun_at
                # Of a create in doubt the key is kept: an older release may have made another.
                create_key = row.create_key or create_key
                if is_funded:
                    self._change(connection, stage, phase="creating", create_key=create_key, begun_at=began)
                else:
                    self._change(connection, stage, phase="unfunded")
        except exc.IntegrityError:
            return False
        if not is_funded:
            raise MovedOn
        return True

    def claim(self, stage: Stage, sender: str) -> JobRow:
        """
        Make a sender the only one that may send for a job, and return the job as it is.

        Raises:
            MovedOn: The job is elsewhere.
        """
        with self._writing() as connection:
            row = self._at(connection, stage, "queued", "creating", "rendering", "answered")
            self._change(connection, stage, sender=sender)
        return row

    def permit(self, stage: Stage, sender: str, now: float) -> None:
        """
        Record that a create is sent now, if its sender is still the one that may.

        A process that was thought dead, and whose job has been taken over, learns it here.

        Raises:
            MovedOn: It is not.
        """
        with self._writing() as connection:
            row = self._sent_by(connection, stage, sender, "creating")
            if row.sent_at is None:
                self._change(connection, stage, sent_at=now)

    def not_created(self, stage: Stage, sender: str, phase: Phase = "creating") -> None:
        """Record that the service refused a sender's create, so that there is nothing to search for."""
        ours = (JOBS.c.phase == "creating") & (JOBS.c.sender == sender)
        with self._writing() as connection:
            self._take_turn_for_money(connection)
            changed = self._change(connection, stage, phase=phase, sent_at=None, where=ours)
            if changed and phase == "queued":
                self._settle(connection, stage.key, 0.0)

    def own(self, stage: Stage, session_id: str, ref: str, now: float) -> bool:
        """Record a session as a job's, which goes on rendering; False when it is another job's."""
        with self._reading() as connection:
            row = self._row(connection, stage.key)
        if row is None:
            return True
        try:
            with self._writing() as connection:
                connection.execute(
                    sa.insert(SESSIONS).values(
                        session_id=session_id,
                        batch=self.name,
                        key=stage.key,
                        attempt=stage.attempt,
                        prompt_id=row.prompt_id,
                        owned_at=now,
                    )
                )
                self._record_session(connection, stage, session_id, ref)
        except exc.IntegrityError:
            with self._writing() as connection:
                query = sa.select(SESSIONS).where(SESSIONS.c.session_id == session_id)
                owner = connection.execute(query).mappings().one()
                if (owner["batch"], owner["key"], owner["attempt"]) != (self.name, stage.key, stage.attempt):
                    return False
                self._record_session(connection, stage, session_id, ref)
        return True

    def _record_session(self, connection: sa.Connection, stage: Stage, session_id: str, ref: str) -> None:
        self._change(connection, stage, session_id=session_id, ref=ref)
        self._change(connection, stage, phase="rendering", where=JOBS.c.phase.in_(("queued", "creating")))

    # -- pauses and answers --

    def pause(
        self, stage: Stage, *, ref: str, pause: str, states: str, now: float, answer: str | None
    ) -> None:
        """Record that a session waits, and queue what follows: the answer if it is known, else a review."""
        following = Stage(key=stage.key, attempt=stage.attempt, turn=stage.turn + 1)
        with self._writing() as connection:
            self._at(connection, stage, "rendering", "answered")
            self._change(
                connection,
                stage,
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
            self._change(connection, stage, phase=phase, answer=answer)
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
            row = self._sent_by(connection, stage, sender, "answered")
            if is_revision and not row.said:
                self._reserve_revision(connection, row)
            self._change(connection, stage, said=True)
            return row.said

    def check(self, stage: Stage, sender: str) -> None:
        """
        See that a sender of an answer is still the one that may.

        Raises:
            MovedOn: Another process has taken the job over.
        """
        with self._reading() as connection:
            self._sent_by(connection, stage, sender, "answered")

    def record_answer(self, stage: Stage, ref: str) -> None:
        """Record that the service took an answer."""
        with self._writing() as connection:
            self._change(connection, stage, ref=ref)
            self._change(connection, stage, phase="rendering", where=JOBS.c.phase == "answered")

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
            changed = self._change(connection, stage, where=_may_end(among, sender), **values)
            if changed:
                self._enqueue(connection, RENDER, following, after=PAUSE_SECONDS)
        return changed > 0

    def record_video(self, stage: Stage, *, outcome: str, states: str, ref: str) -> None:
        """Record the video of a job, before it is saved."""
        with self._writing() as connection:
            self._change(
                connection, stage, outcome=outcome, states=states, ref=ref, where=JOBS.c.phase == "rendering"
            )

    def record_draft(self, stage: Stage, outcome: str) -> None:
        """Record the video a stopped session has, before it is saved."""
        with self._writing() as connection:
            self._change(connection, stage, outcome=outcome, where=JOBS.c.phase == "rendering")

    def record_history(self, stage: Stage, *, states: str, ref: str) -> None:
        """Record how far a session has come."""
        with self._writing() as connection:
            self._change(connection, stage, states=states, ref=ref)

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
            ref: The newest of its session.
            now: When.
            seconds: The video it has paid for; None when that is not known.
            among: The phases that can be ended so.
            sender: Who may still speak for the job; None for anybody.
        """
        values = {"phase": phase, "outcome": outcome, "error": error, "ended_at": now}
        if ref is not None:
            values["ref"] = ref
        return self._unless_raced(self._end, stage, _may_end(among, sender), values, seconds)

    def _end(
        self, stage: Stage, may: sa.ColumnElement[bool], values: dict[str, Any], seconds: float | None
    ) -> bool:
        with self._writing() as connection:
            # Whoever listens goes by the numbers: none may appear below one that is there.
            self._take_turn(connection)
            last = connection.execute(sa.select(sa.func.max(JOBS.c.ended)).where(self._mine())).scalar() or 0
            last = max(last, int(values["ended_at"] * 1000))  # the newest may have been purged
            changed = self._change(connection, stage, ended=last + 1, where=may, **values)
            if changed:
                self._settle(connection, stage.key, seconds)
        return changed > 0


def _may_end(among: Collection[Phase], sender: str | None) -> sa.ColumnElement[bool]:
    may: sa.ColumnElement[bool] = JOBS.c.phase.in_(among)
    return may if sender is None else may & (JOBS.c.sender == sender)


def _differing(known: Mapping[str, str], jobs: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    return {key: known[key] for key, _, record in jobs if known.get(key, record) != record}
