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
_BUDGET: Final = sa.select(BUDGETS).where(BUDGETS.c.batch == sa.bindparam("of_batch"))  # see `_rows`


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
        budget = connection.execute(_BUDGET, {"of_batch": self.name}).mappings().first()
        if budget is None:
            return None
        return Money(
            max_spend=budget["max_spend"],
            rate=Rate(per_second=budget["per_second"], currency=budget["currency"]),
            spent=budget["spent"],
            reserved=budget["reserved"],
            balance=budget["balance"],
        )

    def _take_turn_for_money(self, connection: sa.Connection) -> bool:
        """Take turns before money is changed, and before the job's row is locked; False without a budget."""
        has_budget = connection.execute(_BUDGET, {"of_batch": self.name}).first() is not None
        if has_budget:
            self._take_turn(connection)
        return has_budget

    def _reserve_create(self, connection: sa.Connection, row: JobRow) -> bool:
        """
        Reserve the video of a job that is to be created, unless that is done; False when there is no money for it.

        Raises:
            InvalidArgument: The job does not say how long its video will be.
        """
        money = self._money(connection)
        if money is None or self._reserved_by(connection, row.key):
            return True
        job = _records.read_job(row.job, row.key)
        cost = most_cost(job, money.rate)
        has_session = job.ref is not None and row.attempt == 1  # which is not refused
        self._record_longest(connection, row.key, cost / money.rate.per_second)
        is_funded = has_session or money.fits(cost)
        if is_funded:
            self._add(connection, row.key, reserved=cost)
        return is_funded

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
            self._add(connection, row.key, reserved=cost)

    def _reserved_by(self, connection: sa.Connection, key: str) -> float:
        query = sa.select(MONEY.c.reserved).where(self._money_of(key))
        return connection.execute(query).scalar() or 0.0

    def _money_of(self, key: str) -> sa.ColumnElement[bool]:
        return (MONEY.c.batch == self.name) & (MONEY.c.key == key)

    def _record_longest(self, connection: sa.Connection, key: str, seconds: float) -> None:
        change = sa.update(MONEY).where(self._money_of(key)).values(longest=seconds)
        if not connection.execute(change).rowcount:
            connection.execute(sa.insert(MONEY).values(batch=self.name, key=key, longest=seconds))

    def _add(self, connection: sa.Connection, key: str, *, reserved: float, spent: float = 0.0) -> None:
        """Add to what a job has reserved and spent, and to the sums of all."""
        for table, which in ((MONEY, self._money_of(key)), (BUDGETS, BUDGETS.c.batch == self.name)):
            sums = {"reserved": table.c.reserved + reserved, "spent": table.c.spent + spent}
            connection.execute(sa.update(table).where(which).values(**sums))

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
        if reserved := self._reserved_by(connection, key):
            spent = reserved if seconds is None else seconds * money.rate.per_second
            self._add(connection, key, reserved=-reserved, spent=spent)
        self._fund(connection)

    def _fund(self, connection: sa.Connection) -> None:
        """
        Reserve for the jobs that wait for money, in the order they came, and queue them.

        One for which there would be none, even once all reservations had come to nothing, holds nobody up.
        """
        is_unfunded, money = self._mine() & (JOBS.c.phase == "unfunded"), self._money(connection)
        # Asked first: SQLite would go through all jobs in their order to find none.
        if (
            money is None
            or connection.execute(sa.select(JOBS.c.key).where(is_unfunded).limit(1)).first() is None
        ):
            return
        may_be_funded = money.spent + MONEY.c.longest * money.rate.per_second <= money.most
        waiting = (
            sa.select(JOBS)
            .join(MONEY, (MONEY.c.batch == JOBS.c.batch) & (MONEY.c.key == JOBS.c.key))
            .where(is_unfunded, may_be_funded)
            .order_by(JOBS.c.number)
            .limit(_CHUNK)
        )
        while found := connection.execute(waiting).mappings().all():
            for row in (JobRow(**one) for one in found):
                if not self._reserve_create(connection, row):
                    return  # those behind it do not overtake
                stage = Stage(key=row.key, attempt=row.attempt, turn=row.turn + 1)
                self._change(connection, row, phase="queued", turn=stage.turn)
                self._enqueue(connection, RENDER, stage)
