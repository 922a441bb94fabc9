"""
The rows of a batch: reading them, and the ways every change of them takes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from . import _records
from ._locks import number
from ._schema import DAY, ENGINE_VERSION, JOBS, RENDER, REVIEW, SESSIONS, JobRow, MovedOn, Stage
from ._types import ENDED, Phase

if TYPE_CHECKING:
    from dbos import EnqueueOptions

    from ._engine import Engine

T = TypeVar("T")

_TRIES: Final = 20
_FIRST_TIME: Final = 10  # priority of a render; what is gone on with comes first


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

    def ends_after(self, ended: int, limit: int = 100) -> list[JobRow]:
        """Return the next jobs that ended, in that order."""
        have_ended = self._mine() & JOBS.c.phase.in_(ENDED) & (JOBS.c.ended > ended)
        query = sa.select(JOBS).where(have_ended).order_by(JOBS.c.ended).limit(limit)
        with self._reading() as connection:
            return [JobRow(**row) for row in connection.execute(query).mappings()]

    def sessions_of(self, prompt_id: str, now: float) -> list[str]:
        """Return the sessions, of whatever batch, that were made of a prompt within the last day."""
        query = sa.select(SESSIONS.c.session_id).where(
            SESSIONS.c.prompt_id == prompt_id, SESSIONS.c.owned_at > now - DAY
        )
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

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
        query = sa.select(JOBS).where(self._mine(), JOBS.c.key == key)
        if to_change:
            # What is decided by it must hold until it is written; SQLite has one writer at a time anyway.
            query = query.with_for_update()
        row = connection.execute(query).mappings().first()
        return None if row is None else JobRow(**row)

    def _at(self, connection: sa.Connection, stage: Stage, *phases: Phase) -> JobRow:
        row = self._row(connection, stage.key, to_change=True)
        if row is None or (row.attempt, row.turn) != (stage.attempt, stage.turn) or row.phase not in phases:
            raise MovedOn
        return row

    def _sent_by(self, connection: sa.Connection, stage: Stage, sender: str, phase: Phase) -> JobRow:
        row = self._at(connection, stage, phase)
        if row.sender != sender:
            raise MovedOn
        return row

    def _change(
        self,
        connection: sa.Connection,
        stage: Stage,
        *,
        where: sa.ColumnElement[bool] | None = None,
        **values: Any,
    ) -> int:
        change = sa.update(JOBS).where(self._mine(), JOBS.c.key == stage.key)
        change = change.where(JOBS.c.attempt == stage.attempt, JOBS.c.turn == stage.turn)
        if where is not None:
            change = change.where(where)
        return int(connection.execute(change.values(**values)).rowcount)

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
            turn = sa.func.pg_advisory_xact_lock(number(f"heygen.ends/{self.name}", 63))
            connection.execute(sa.select(turn))

    @contextmanager
    def _reading(self) -> Generator[sa.Connection]:
        with self._database.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Generator[sa.Connection]:
        with self._database.begin() as connection:
            if connection.dialect.name == "sqlite":
                # Its driver begins a transaction at the first change only, after what was read before.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
