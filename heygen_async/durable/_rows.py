"""
The rows of a batch: reading them, and the ways every change of them takes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy import bindparam, exc

from . import _records
from ._locks import number
from ._schema import DAY, ENGINE_VERSION, JOBS, RENDER, REVIEW, SESSIONS, JobRow, MovedOn, Stage
from ._types import ALIVE, ENDED, Phase

if TYPE_CHECKING:
    from dbos import EnqueueOptions

    from ._engine import Engine

T = TypeVar("T")

_TRIES: Final = 20
_FIRST_TIME: Final = 10  # priority of a render; what is gone on with comes first
_ENDS: Final = 100  # read at once

# What a job needs again and again is said to SQLAlchemy once: saying it takes several times as long as doing it.
_JOB: Final = sa.select(JOBS).where(JOBS.c.batch == bindparam("of_batch"), JOBS.c.key == bindparam("of_key"))
# What is decided by it must hold until it is written; SQLite has one writer at a time anyway.
_JOB_TO_CHANGE: Final = _JOB.with_for_update()
_CHANGE: Final = sa.update(JOBS).where(
    JOBS.c.batch == bindparam("of_batch"),
    JOBS.c.key == bindparam("of_key"),
    JOBS.c.attempt == bindparam("of_attempt"),
    JOBS.c.turn == bindparam("of_turn"),
)
_PHASES: Final = sa.select(
    *(
        sa.exists().where(JOBS.c.batch == bindparam("of_batch"), JOBS.c.phase == phase).label(phase)
        for phase in ALIVE
    )
)
_NEXT_ENDS: Final = (
    sa.select(JOBS)
    .where(JOBS.c.batch == bindparam("of_batch"), JOBS.c.ended > bindparam("after"))
    .where(sa.or_(*(JOBS.c.phase == phase for phase in ENDED)))
    .order_by(JOBS.c.ended)
    .limit(_ENDS)
)
_SESSIONS_OF: Final = sa.select(SESSIONS.c.session_id).where(
    SESSIONS.c.prompt_id == bindparam("prompt"), SESSIONS.c.owned_at > bindparam("since")
)
_TURN: Final = sa.select(sa.func.pg_advisory_xact_lock(bindparam("number")))


@cache
def _change_at(*phases: Phase, by_sender: bool) -> sa.Update:
    """Return the change of a job at a stage, in one of these phases if any is named, and of one sender if so."""
    change = _CHANGE.where(sa.or_(*(JOBS.c.phase == phase for phase in phases))) if phases else _CHANGE
    return (change.where(JOBS.c.sender == bindparam("of_sender")) if by_sender else change).returning(JOBS)


class JobRows:
    """The jobs of one batch in one database; every method blocks, and is called from a thread."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._database = engine.database
        self.name = name
        self.queue = f"heygen.{name}"
        self.reviews = f"heygen.{name}.reviews"

    @staticmethod
    def stage(row: JobRow) -> Stage:
        """Return where a job is."""
        return Stage(key=row.key, attempt=row.attempt, turn=row.turn)

    def _enqueue(
        self, connection: sa.Connection, workflow: str, stage: Stage, *, after: float | None = None
    ) -> None:
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "queue_name": self.reviews if workflow == REVIEW else self.queue,
            "workflow_id": self.work(workflow, stage),
            "app_version": ENGINE_VERSION,
            "priority": _FIRST_TIME if workflow == RENDER else 1,
        }
        if after is not None:
            options["delay_seconds"] = after
        self._engine.client.enqueue_in_transaction(
            connection, options, self.name, stage.key, stage.attempt, stage.turn
        )

    def work(self, workflow: str, stage: Stage) -> str:
        """Return the engine's id of a piece of work."""
        return _records.work_id(self.name, stage.key, stage.attempt, stage.turn, workflow.split(".")[1])

    # -- reading --

    def row(self, key: str) -> JobRow | None:
        """Return one job."""
        with self._reading() as connection:
            return self._row(connection, key)

    def rows(self, *phases: Phase) -> list[JobRow]:
        """Return the jobs in these phases, all if none is named, in the order they came."""
        query = sa.select(JOBS).where(self._mine()).order_by(JOBS.c.number)
        if phases:
            query = query.where(JOBS.c.phase.in_(phases))
        with self._reading() as connection:
            return [JobRow(**row) for row in connection.execute(query).mappings()]

    def counts(self) -> dict[str, int]:
        """Return how many jobs are in each phase."""
        query = sa.select(JOBS.c.phase, sa.func.count()).where(self._mine()).group_by(JOBS.c.phase)
        with self._reading() as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def progress(self, ended: int) -> tuple[set[Phase], list[JobRow], bool]:
        """
        Return in which phases jobs are that have not ended, the next jobs that have, in that order, and if that is all.

        The phases are read first: what ends in between is among the jobs.
        """
        with self._reading() as connection:
            phases = connection.execute(_PHASES, {"of_batch": self.name}).one()
            found = connection.execute(_NEXT_ENDS, {"of_batch": self.name, "after": ended}).mappings()
            rows = [JobRow(**row) for row in found]
        alive: set[Phase] = {phase for phase, is_there in zip(ALIVE, phases, strict=True) if is_there}
        return alive, rows, len(rows) < _ENDS

    def sessions_of(self, prompt_id: str, now: float) -> list[str]:
        """Return the sessions, of whatever batch, that were made of a prompt within the last day."""
        with self._reading() as connection:
            return self._sessions_of(connection, prompt_id, now)

    def sessions_since(self, moment: float) -> list[str]:
        """Return the sessions, of whatever batch and prompt, that were made since a moment."""
        query = sa.select(SESSIONS.c.session_id).where(SESSIONS.c.owned_at > moment)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def creates_in_doubt(self) -> list[JobRow]:
        """Return the jobs, of whatever batch, whose create was sent and not recorded."""
        is_in_doubt = (JOBS.c.phase == "creating") & JOBS.c.sent_at.is_not(None)
        with self._reading() as connection:
            return [
                JobRow(**row) for row in connection.execute(sa.select(JOBS).where(is_in_doubt)).mappings()
            ]

    # -- the work --

    def _mine(self) -> sa.ColumnElement[bool]:
        return JOBS.c.batch == self.name

    def _row(self, connection: sa.Connection, key: str, *, to_change: bool = False) -> JobRow | None:
        query = _JOB_TO_CHANGE if to_change else _JOB
        row = connection.execute(query, {"of_batch": self.name, "of_key": key}).mappings().first()
        return None if row is None else JobRow(**row)

    def _find(
        self, connection: sa.Connection, stage: Stage, *phases: Phase, sender: str | None = None
    ) -> JobRow | None:
        """Return a job, to change it, if it is where it should be; phase and sender do not matter unless named."""
        row = self._row(connection, stage.key, to_change=True)
        if row is None or self.stage(row) != stage or (phases and row.phase not in phases):
            return None
        return row if sender in (None, row.sender) else None

    def _at(
        self, connection: sa.Connection, stage: Stage, *phases: Phase, sender: str | None = None
    ) -> JobRow:
        row = self._find(connection, stage, *phases, sender=sender)
        if row is None:
            raise MovedOn
        return row

    def _change(self, connection: sa.Connection, row: JobRow, **values: Any) -> JobRow:
        """Change a job that is as `row` says, and return how it is now."""
        connection.execute(_CHANGE, self._place(self.stage(row)) | values)
        return structs.replace(row, **values)

    def _change_if(
        self,
        connection: sa.Connection,
        stage: Stage,
        *phases: Phase,
        by: str | None = None,
        **values: Any,
    ) -> JobRow | None:
        """Change a job if it is where it should be, see `_find`; `by` is the sender. Return it as it is now."""
        change = _change_at(*phases, by_sender=by is not None)
        place = self._place(stage) | ({} if by is None else {"of_sender": by})
        row = connection.execute(change, place | values).mappings().first()
        return None if row is None else JobRow(**row)

    def _place(self, stage: Stage) -> dict[str, Any]:
        return {
            "of_batch": self.name,
            "of_key": stage.key,
            "of_attempt": stage.attempt,
            "of_turn": stage.turn,
        }

    @staticmethod
    def _sessions_of(connection: sa.Connection, prompt_id: str, now: float) -> list[str]:
        values = {"prompt": prompt_id, "since": now - DAY}
        return list(connection.execute(_SESSIONS_OF, values).scalars())

    @staticmethod
    def _unless_raced(change: Callable[..., T], *args: Any) -> T:
        """Make a change, again if another process took the same key or number at the same moment."""
        for _ in range(_TRIES):
            with suppress(exc.IntegrityError):
                return change(*args)
        return change(*args)

    def _take_turn(self, connection: sa.Connection) -> None:
        """Let changes of this kind of this batch come one after the other, on all machines."""
        if connection.dialect.name != "sqlite":  # where all changes do
            connection.execute(_TURN, {"number": number(f"heygen.ends/{self.name}", 63)})

    @contextmanager
    def _reading(self) -> Generator[sa.Connection]:
        with self._database.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self, *, reads: bool = True) -> Generator[sa.Connection]:
        """Make changes together, after what is read first, if anything is."""
        with self._database.begin() as connection:
            if reads and connection.dialect.name == "sqlite":
                # Its driver begins a transaction at the first change only, after what was read before.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
