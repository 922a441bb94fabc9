"""
The money of a batch, one budget for all machines: what each job has reserved and spent, in the job's own transactions.

The rules are those of a local batch (`_batch/budget.py`). Changes of money take turns, so that no two processes
reserve the same. A job for which there is no money now is `unfunded`: it holds no slot, since what it waits for may
need one, and it is queued again once another job has ended for less than it had reserved.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import sqlalchemy as sa

from .._batch.budget import ROUNDING, Rate, most_cost, no_revision
from . import _records
from ._rows import JobRows
from ._schema import BUDGETS, JOBS, MONEY, RENDER, JobRow, Stage

_CHUNK: Final = 50


class Money(NamedTuple):
    """The budget of a batch, and what is left of it."""

    max_spend: float
    rate: Rate
    spent: float
    reserved: float
    balance: float | None

    @property
    def most(self) -> float:
        """What may be spent and reserved together."""
        return self.max_spend * (1 + ROUNDING)

    def fits(self, cost: float) -> bool:
        """Return whether so much can be reserved now."""
        return self.spent + self.reserved + cost <= self.most


class MoneyRows(JobRows):
    """The rows of a batch, with its money; see `JobRows`."""

    def set_budget(self, max_spend: float, rate: Rate, balance: float | None) -> None:
        """Set the budget for all processes, and queue the jobs for which there is money now; keep the first balance."""
        values = {"max_spend": max_spend, "per_second": rate.per_second, "currency": rate.currency}
        with self._writing() as connection:
            self._take_turn(connection)
            first = sa.func.coalesce(BUDGETS.c.balance, balance)  # the whole campaign is compared with it
            change = sa.update(BUDGETS).where(BUDGETS.c.batch == self.name).values(balance=first, **values)
            if not connection.execute(change).rowcount:
                connection.execute(sa.insert(BUDGETS).values(batch=self.name, balance=balance, **values))
            self._fund(connection)

    def money(self) -> Money | None:
        """Return the budget and what is left of it; None without one."""
        with self._reading() as connection:
            return self._money(connection)

    def _money(self, connection: sa.Connection) -> Money | None:
        query = sa.select(BUDGETS).where(BUDGETS.c.batch == self.name)
        budget = connection.execute(query).mappings().first()
        if budget is None:
            return None
        spent, reserved = connection.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(MONEY.c.spent), 0.0),
                sa.func.coalesce(sa.func.sum(MONEY.c.reserved), 0.0),
            ).where(MONEY.c.batch == self.name)
        ).one()
        return Money(
            max_spend=budget["max_spend"],
            rate=Rate(per_second=budget["per_second"], currency=budget["currency"]),
            spent=float(spent),
            reserved=float(reserved),
            balance=budget["balance"],
        )

    def _take_turn_for_money(self, connection: sa.Connection) -> None:
        """Take turns before money is changed, and before the job's row is locked; not without a budget."""
        query = sa.select(BUDGETS.c.batch).where(BUDGETS.c.batch == self.name)
        if connection.execute(query).first() is not None:
            self._take_turn(connection)

    def _reserve_create(self, connection: sa.Connection, row: JobRow) -> bool:
        """
        Reserve the video of a job that is to be created, unless that is done; False when there is no money for it.

        Raises:
            InvalidArgument: The job does not say how long its video will be.
        """
        money = self._money(connection)
        query = sa.select(MONEY.c.reserved).where(MONEY.c.batch == self.name, MONEY.c.key == row.key)
        if money is None or connection.execute(query).scalar():
            return True
        job = _records.read_job(row.job, row.key)
        cost = most_cost(job, money.rate)
        has_session = job.ref is not None and row.attempt == 1  # which is not refused
        if not (has_session or money.fits(cost)):
            return False
        self._add_reservation(connection, row.key, cost)
        return True

    def _reserve_revision(self, connection: sa.Connection, row: JobRow) -> None:
        """
        Reserve another video for a job, whose agent may make one of an answer.

        Raises:
            ClientStateError: There is no money for it.
        """
        if (money := self._money(connection)) is not None:
            cost = most_cost(_records.read_job(row.job, row.key), money.rate)
            if not money.fits(cost):
                raise no_revision(row.key, cost, money.rate)
            self._add_reservation(connection, row.key, cost)

    def _add_reservation(self, connection: sa.Connection, key: str, cost: float) -> None:
        mine = (MONEY.c.batch == self.name) & (MONEY.c.key == key)
        more = sa.update(MONEY).where(mine).values(reserved=MONEY.c.reserved + cost)
        if not connection.execute(more).rowcount:
            connection.execute(sa.insert(MONEY).values(batch=self.name, key=key, reserved=cost, spent=0.0))

    def _settle(self, connection: sa.Connection, key: str, seconds: float | None) -> None:
        """
        Count what a job has cost in place of what it has reserved, and queue the jobs for which there is money now.

        Args:
            connection: In a transaction that has its turn.
            key: The job's.
            seconds: The video it has paid for; None when that is not known, so that what was reserved counts.
        """
        money = self._money(connection)
        if money is None:
            return
        cost = MONEY.c.reserved if seconds is None else seconds * money.rate.per_second
        mine = (MONEY.c.batch == self.name) & (MONEY.c.key == key) & (MONEY.c.reserved > 0)
        connection.execute(sa.update(MONEY).where(mine).values(spent=MONEY.c.spent + cost, reserved=0.0))
        self._fund(connection)

    def _fund(self, connection: sa.Connection) -> None:
        """Reserve for the jobs that wait for money, in the order they came, and queue them."""
        waiting = sa.select(JOBS).where(self._mine(), JOBS.c.phase == "unfunded").order_by(JOBS.c.number)
        last = 0
        while found := connection.execute(waiting.where(JOBS.c.number > last).limit(_CHUNK)).mappings().all():
            for row in (JobRow(**one) for one in found):
                last = row.number
                if self._reserve_create(connection, row):
                    stage = Stage(key=row.key, attempt=row.attempt, turn=row.turn + 1)
                    self._change(connection, self.stage(row), phase="queued", turn=stage.turn)
                    self._enqueue(connection, RENDER, stage)
                elif self._may_be_funded(connection, row):
                    return  # those behind it do not overtake

    def _may_be_funded(self, connection: sa.Connection, row: JobRow) -> bool:
        """Return whether there would be money for a job once all reservations had come to nothing."""
        money = self._money(connection)
        assert money is not None  # noqa: S101 - or none would wait for it
        return money.spent + most_cost(_records.read_job(row.job, row.key), money.rate) <= money.most
