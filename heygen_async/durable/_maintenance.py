"""
What a user changes by hand: begin again, stop, forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from msgspec import structs

from . import _records
from ._rows import JobRows
from ._schema import AN_ATTEMPT, AN_END, CONTINUE, DAY, JOBS, RENDER, REVIEW, SESSIONS, JobRow, Stage
from ._types import ENDED

if TYPE_CHECKING:
    from ._records import OutcomeRecord

_CHUNK: Final = 100


class Maintenance(JobRows):
    """The changes that no step makes; see `JobRows`."""

    def begin_again(self, keys: Iterable[str] | None) -> list[str]:
        """Queue jobs that failed or were cancelled once more; all that failed for None. Return their keys."""
        wanted = JOBS.c.phase == "failed"
        if keys is not None:
            wanted = JOBS.c.phase.in_(("failed", "cancelled")) & JOBS.c.key.in_(list(keys))
        with self._writing() as connection:
            found = [
                JobRow(**row)
                for row in connection.execute(sa.select(JOBS).where(self._mine(), wanted)).mappings()
            ]
            for row in found:
                self._begin_again(connection, row)
        return [row.key for row in found]

    def _begin_again(self, connection: sa.Connection, row: JobRow) -> None:
        outcome = None if row.outcome is None else _records.read(_records.OutcomeRecord, row.outcome)
        stage, workflow, emptied = Stage(key=row.key, attempt=row.attempt + 1, turn=0), RENDER, AN_ATTEMPT
        if goes_on(outcome, row.session_id):
            stage, workflow = Stage(key=row.key, attempt=row.attempt, turn=row.turn + 1), CONTINUE
            emptied = AN_END
        history = None if row.states is None else _records.read(_records.StatesRecord, row.states)
        self._change(
            connection,
            row,
            states=None if history is None else _records.text(structs.replace(history, worked=0.0)),
            attempt=stage.attempt,
            turn=stage.turn,
            phase="queued" if workflow == RENDER else "rendering",
            said=False,
            **dict.fromkeys(emptied),
        )
        self._enqueue(connection, workflow, stage)

    def stop_work(self, row: JobRow) -> None:
        """Take what is queued or under way for a job from the engine."""
        first = Stage(key=row.key, attempt=row.attempt, turn=0)
        places = (
            (RENDER, first),
            (RENDER, self.stage(row)),
            (CONTINUE, self.stage(row)),
            (REVIEW, self.stage(row)),
        )
        self._engine.client.cancel_workflows([self.work(*one) for one in places])

    def purge(self, before: float) -> int:
        """Forget the jobs that ended before a time, and what the engine knows of them; return how many."""
        old = self._mine() & JOBS.c.phase.in_(ENDED) & (JOBS.c.ended_at < before)
        forgotten = 0
        while True:
            with self._reading() as connection:
                rows = connection.execute(sa.select(JOBS).where(old).limit(_CHUNK)).mappings().all()
            if not rows:
                return forgotten
            keys = [row["key"] for row in rows]
            found = self._engine.client.list_workflows(
                workflow_id_prefix=[_records.work_prefix(self.name, key) for key in keys],
                load_input=False,
                load_output=False,
            )
            self._engine.client.delete_workflows([one.workflow_id for one in found])
            with self._writing() as connection:
                # Sessions of the last day stay known as ours: a search may still come across them.
                mine = (SESSIONS.c.batch == self.name) & SESSIONS.c.key.in_(keys)
                connection.execute(sa.delete(SESSIONS).where(mine, SESSIONS.c.owned_at < before - DAY))
                forgotten += connection.execute(sa.delete(JOBS).where(old, JOBS.c.key.in_(keys))).rowcount


_OVER: Final = frozenset({"SessionFailed", "JobCancelled", "NotFound", "OutcomeUnknown"})


def goes_on(outcome: OutcomeRecord | None, session_id: str | None) -> bool:
    """
    Whether a retry goes on with the session there is, instead of paying for another.

    A session that failed is over. One that was only late, or could not be reached, or whose video could not be
    saved, is not.
    """
    if session_id is None or outcome is None or outcome.error is None:
        return False
    return outcome.video is not None or outcome.error.kind not in _OVER
