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

from ._repository import Rows
from ._schema import CONTINUE, JOBS, RENDER, REVIEW, SESSIONS, Place, Row
from ._types import ALIVE, Phase

_CHUNK: Final = 500


class Store(Rows):
    """The changes of a job's life; see `Rows`."""

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
            self._enqueue(connection, RENDER, Place(key=key, attempt=1, turn=0))
        return [key for key, _, _ in jobs]

    # -- creating --

    def begin_create(self, place: Place, create_key: str, now: float) -> bool:
        """
        Announce a create before it is sent; False while another one of the same prompt is under way.

        Raises:
            MovedOn: The job is not to be created any more.
        """
        try:
            with self._writing() as connection:
                row = self._at(connection, place, "queued", "creating")
                began = now if row.begun_at is None else row.begun_at
                # Of a create in doubt the key is kept: an older release may have made another.
                create_key = row.create_key or create_key
                self._change(connection, place, phase="creating", create_key=create_key, begun_at=began)
        except exc.IntegrityError:
            return False
        return True

    def claim(self, place: Place, sender: str) -> Row:
        """
        Make a sender the only one that may send for a job, and return the job as it is.

        Raises:
            MovedOn: The job is elsewhere.
        """
        with self._writing() as connection:
            row = self._at(connection, place, "queued", "creating", "rendering", "answered")
            self._change(connection, place, sender=sender)
        return row

    def permit(self, place: Place, sender: str, now: float) -> None:
        """
        Note that a create is sent now, if its sender is still the one that may.

        A process that was thought dead, and whose job has been taken over, learns it here.

        Raises:
            MovedOn: It is not.
        """
        with self._writing() as connection:
            row = self._sent_by(connection, place, sender, "creating")
            if row.sent_at is None:
                self._change(connection, place, sent_at=now)

    def not_created(self, place: Place, sender: str, phase: Phase = "creating") -> None:
        """Note that the service refused a sender's create, so that there is nothing to look for."""
        ours = (JOBS.c.phase == "creating") & (JOBS.c.sender == sender)
        with self._writing() as connection:
            self._change(connection, place, phase=phase, sent_at=None, where=ours)

    def own(self, place: Place, session_id: str, ref: str, now: float) -> bool:
        """Note a session as a job's, which goes on rendering; False when it is another job's."""
        with self._reading() as connection:
            row = self._row(connection, place.key)
        if row is None:
            return True
        try:
            with self._writing() as connection:
                connection.execute(
                    sa.insert(SESSIONS).values(
                        session_id=session_id,
                        batch=self.name,
                        key=place.key,
                        attempt=place.attempt,
                        prompt_id=row.prompt_id,
                        owned_at=now,
                    )
                )
                self._owned(connection, place, session_id, ref)
        except exc.IntegrityError:
            with self._writing() as connection:
                query = sa.select(SESSIONS).where(SESSIONS.c.session_id == session_id)
                owner = connection.execute(query).mappings().one()
                if (owner["batch"], owner["key"], owner["attempt"]) != (self.name, place.key, place.attempt):
                    return False
                self._owned(connection, place, session_id, ref)
        return True

    def _owned(self, connection: sa.Connection, place: Place, session_id: str, ref: str) -> None:
        self._change(connection, place, session_id=session_id, ref=ref)
        self._change(connection, place, phase="rendering", where=JOBS.c.phase.in_(("queued", "creating")))

    # -- pauses and answers --

    def pause(
        self, place: Place, *, ref: str, pause: str, states: str, now: float, answer: str | None
    ) -> None:
        """Note that a session waits, and queue what follows: the answer if it is known, else somebody's review."""
        following = Place(key=place.key, attempt=place.attempt, turn=place.turn + 1)
        with self._writing() as connection:
            self._at(connection, place, "rendering", "answered")
            self._change(
                connection,
                place,
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

    def answer(self, key: str, answer: str | None, asked: Place | None = None) -> bool:
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
            if row is None or row.phase != "reviewing" or asked not in (None, self.place(row)):
                return False
            place = self.place(row)
            phase: Phase = "rendering" if answer is None else "answered"
            self._change(connection, place, phase=phase, answer=answer)
            self._enqueue(connection, CONTINUE, place)
        return True

    def saying(self, place: Place, sender: str) -> bool:
        """
        Note that an answer is sent now; return whether an earlier process may have sent it.

        Raises:
            MovedOn: Another process has taken the job over.
        """
        with self._writing() as connection:
            row = self._sent_by(connection, place, sender, "answered")
            self._change(connection, place, said=True)
            return row.said

    def check(self, place: Place, sender: str) -> None:
        """
        See that a sender of an answer is still the one that may.

        Raises:
            MovedOn: Another process has taken the job over.
        """
        with self._reading() as connection:
            self._sent_by(connection, place, sender, "answered")

    def said(self, place: Place, ref: str) -> None:
        """Note that the service took an answer."""
        with self._writing() as connection:
            self._change(connection, place, ref=ref)
            self._change(connection, place, phase="rendering", where=JOBS.c.phase == "answered")

    # -- ending --

    def rendered(self, place: Place, *, outcome: str, states: str, ref: str) -> None:
        """Note the video of a job, before it is saved."""
        with self._writing() as connection:
            self._change(
                connection, place, outcome=outcome, states=states, ref=ref, where=JOBS.c.phase == "rendering"
            )

    def drafted(self, place: Place, outcome: str) -> None:
        """Note the video a stopped session has, before it is saved."""
        with self._writing() as connection:
            self._change(connection, place, outcome=outcome, where=JOBS.c.phase == "rendering")

    def followed(self, place: Place, *, states: str, ref: str) -> None:
        """Note how far a session has come."""
        with self._writing() as connection:
            self._change(connection, place, states=states, ref=ref)

    def end(
        self,
        place: Place,
        phase: Phase,
        *,
        outcome: str,
        error: str | None,
        ref: str | None,
        now: float,
        among: Collection[Phase] = ALIVE,
        sender: str | None = None,
    ) -> bool:
        """
        Note how a job ended; False when it had ended already, or has gone on elsewhere.

        Args:
            place: Which part of the job's life this is the end of.
            phase: How it ended.
            outcome: What became of it.
            error: The error in a few words.
            ref: The newest of its session.
            now: When.
            among: The phases that can be ended so.
            sender: Who may still speak for the job; None for anybody.
        """
        values = {"phase": phase, "outcome": outcome, "error": error, "ended_at": now}
        if ref is not None:
            values["ref"] = ref
        may: sa.ColumnElement[bool] = JOBS.c.phase.in_(among)
        if sender is not None:
            may &= JOBS.c.sender == sender
        return self._unless_raced(self._end, place, may, values)

    def _end(self, place: Place, may: sa.ColumnElement[bool], values: dict[str, Any]) -> bool:
        with self._writing() as connection:
            # Whoever listens goes by the numbers: none may appear below one that is there.
            self._take_turn(connection)
            last = connection.execute(sa.select(sa.func.max(JOBS.c.ended)).where(self._mine())).scalar() or 0
            last = max(last, int(values["ended_at"] * 1000))  # the newest may have been purged
            changed = self._change(connection, place, ended=last + 1, where=may, **values)
        return changed > 0


def _differing(known: Mapping[str, str], jobs: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    return {key: known[key] for key, _, record in jobs if known.get(key, record) != record}
