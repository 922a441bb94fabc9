"""
`heygen.batch(...)`: many jobs, some of them in progress at a time, one outcome each.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, Self

import anyio.lowlevel

from .. import _clock
from .._resources.catalog import check_wallet
from .._sessions.review import check_reviewer
from ..errors import ClientStateError, InvalidArgument, OutOfCredit, SessionFailed
from .concurrency import NotStarted, Slot, Slots
from .events import EventHook
from .job import BatchEvent, Outcome
from .job_runner import BatchContext, JobRunner
from .job_source import Item, Jobs, JobSource
from .second_tries import PAUSE_SECONDS, Balance, cost_of, make_again, may_succeed_again

if TYPE_CHECKING:
    from types import TracebackType

    from anyio.abc import TaskGroup

    from .._resources._context import Core
    from .._sessions.create import SessionFactory
    from .._sessions.session import BatchReviewer
    from .budget import Budget
    from .events import OnEvent
    from .job import Job
    from .output_folder import OutputFolder


_CREDIT_FAILURES: Final = 3  # late, one after the other: then creating ends, whatever the wallet holds


class Batch:
    """
    A running batch; made by `heygen.batch`.

    Enter it with `async with`, then iterate: it yields an `Outcome` for each job, in the order in which they end.
    Outcomes that are not taken hold back new jobs, never those in progress. Leaving the block cancels what is not
    done: sessions go on at the service, or are stopped with `on_exit="stop"`; a create on its way is finished first,
    so that no session is lost.
    """

    def __init__(
        self,
        factory: SessionFactory,
        jobs: Jobs,
        *,
        max_in_flight: int,
        max_paused: int,
        reviewer: BatchReviewer | None,
        on_event: OnEvent | None,
        folder: OutputFolder | None,
        stop_on: tuple[type[Exception], ...],
        on_exit: Literal["detach", "stop"],
        min_balance: float | None,
        progress: bool,
        budget: Budget | None,
        retry_failed: int,
    ) -> None:
        _check(max_in_flight, max_paused, on_exit)
        if isinstance(retry_failed, bool) or not isinstance(retry_failed, int) or retry_failed < 0:
            raise InvalidArgument("retry_failed", "must be 0 or a larger whole number")
        check_reviewer(reviewer)
        self._core: Core = factory.core
        self._source: JobSource = JobSource(jobs, name_of=str if folder is None else folder.name_of)
        self._max_paused: int = max_paused
        self._events: EventHook = EventHook(on_event, self._stop, budget)
        self._budget: Budget | None = budget
        self._retry_failed: int = retry_failed
        self._wallet: Balance = Balance(self._core)
        self._credit_failures: int = 0
        self._folder: OutputFolder | None = folder
        self._stop_on: tuple[type[Exception], ...] = stop_on
        self._min_balance: float | None = min_balance
        self._slots: Slots = Slots(
            max_in_flight,
            longest_pace=self._core.api.retry.max_retry_after,
            has_stopped=lambda: self._stopped is not None,
        )
        self._context: BatchContext = BatchContext(
            factory=factory,
            reviewer=reviewer,
            folder=folder,
            on_exit=on_exit,
            progress=progress,
            events=self._events,
            budget=budget,
        )
        self._outcomes: deque[Outcome] = deque()
        self._alive: int = 0
        self._is_fed: bool = False
        self._stopped: Exception | None = None
        self._input_error: Exception | None = None
        self._group: TaskGroup | None = None

    def __repr__(self) -> str:
        return f"<Batch {self.in_progress} in progress, {self.paused} paused>"

    # -- progress --

    @property
    def in_progress(self) -> int:
        """Jobs that the service is working on."""
        return self._slots.limit.in_progress

    @property
    def paused(self) -> int:
        """Jobs that wait for their reviewer, or for a slot to send the answer."""
        return self._slots.paused

    @property
    def limit(self) -> int:
        """How many jobs in progress the account is believed to have room for."""
        return self._slots.limit.current

    @property
    def spent(self) -> float:
        """What was spent so far of the budget; 0 without one."""
        return 0.0 if self._budget is None else self._budget.spent

    @property
    def reserved(self) -> float:
        """What the jobs under way may still cost; 0 without a budget."""
        return 0.0 if self._budget is None else self._budget.reserved

    def stop_creating(self) -> None:
        """
        Create nothing more; what is in flight goes on.

        The other jobs come back with `not_started`. May be called at any time, any number of times.
        """
        self._stop(ClientStateError("Not started: creating was stopped.", hint="Run the job again."))

    def _stop(self, reason: Exception) -> None:
        if self._stopped is None:
            self._stopped = reason
            self._slots.notify()

    # -- life --

    async def __aenter__(self) -> Self:
        if self._group is not None:
            raise ClientStateError("A batch is run once.", hint="Make a new one with heygen.batch(...).")
        self._core.api.bind()
        if self._folder is not None:
            await self._folder.prepare()
        if self._min_balance is not None:
            await check_wallet(self._core, self._min_balance)
        if self._retry_failed:
            await self._wallet.begin()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._feed)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._group is not None  # noqa: S101 - it was entered
        self._group.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return await self._group.__aexit__(kind, error, traceback)
        # The group would wrap what the caller's block raised.
        await self._group.__aexit__(None, None, None)
        return None

    # -- out --

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        """
        Return the next outcome.

        Raises:
            StopAsyncIteration: Every job has had its outcome.
            ClientStateError: The batch was not entered.
            Exception: Whatever the input raised, once what was in flight has ended.
        """
        if self._group is None:
            raise ClientStateError(
                "The batch is not running.", hint="Enter it: `async with heygen.batch(...) as run`."
            )
        while not self._outcomes:
            if self._is_fed and not self._alive:
                input_error, self._input_error = self._input_error, None
                raise input_error or StopAsyncIteration
            await self._slots.wait_change()
        outcome = self._outcomes.popleft()
        self._slots.notify()
        return outcome

    async def raise_failures(self) -> list[Outcome]:
        """
        Take all outcomes that are left and return them; they are kept until the end, so not for huge batches.

        Raises:
            ExceptionGroup: Some have an error; each carries a note with its job's key.
            Exception: Whatever the input raised, once what was in flight has ended.
        """
        outcomes = [outcome async for outcome in self]
        errors: dict[int, Exception] = {}
        for outcome in outcomes:
            if outcome.error is not None and id(outcome.error) not in errors:
                errors[id(outcome.error)] = outcome.error
                outcome.error.add_note(f"Job: {outcome.key}")
        if errors:
            failed = sum(not outcome.ok for outcome in outcomes)
            raise ExceptionGroup(f"{failed} of {len(outcomes)} jobs failed", list(errors.values()))
        return outcomes

    async def _end(self, outcome: Outcome) -> None:
        if outcome.error is not None and await self._is_reason_to_stop(outcome.error):
            self._stop(outcome.error)
        if outcome.ok:
            self._credit_failures = 0
        await self._events.emit(
            BatchEvent(
                kind="ended", key=outcome.key, job=outcome.job, session_id=outcome.session_id, outcome=outcome
            )
        )
        self._outcomes.append(outcome)
        self._slots.notify()

    async def _is_reason_to_stop(self, error: Exception) -> bool:
        if not isinstance(error, self._stop_on):
            return False
        if isinstance(error, OutOfCredit):
            # Seen as a passing throttle with credit left, too (contract.md, Errors): the wallet knows more.
            self._credit_failures += 1
            return self._credit_failures >= _CREDIT_FAILURES or await self._wallet.is_empty()
        return True

    async def _end_unstarted(self, key: str, job: Job, error: Exception | None = None) -> None:
        await self._end(Outcome(key=key, job=job, error=error or self._stopped, not_started=True))

    # -- in --

    async def _feed(self) -> None:
        try:
            while (item := await self._source.next_item()) is not None:
                await self._start_job(item)
        except Exception as error:  # noqa: BLE001 - it is raised at the end of the iteration
            self._input_error = error
        finally:
            self._is_fed = True
            self._slots.notify()
            await self._source.aclose()

    async def _start_job(self, item: Item) -> None:
        job, error, cost = item.job, item.error, 0.0
        if job is not None and error is None and self._budget is not None:
            try:
                cost = self._budget.cost(job)
            except InvalidArgument as unknown:
                error = unknown
        await self._wait_for_room(is_new=job is not None and error is None, cost=cost)
        if job is None or error is not None:
            await self._end(Outcome(key=item.key, job=job, error=error))
        elif self._stopped is not None:
            await self._end_unstarted(item.key, job)
        elif not self._reserve(item.key, job, cost):
            await self._end_unstarted(item.key, job, _no_money(cost, self._budget))
        else:
            # A cancel that arrives together with the notification is not raised by the wait.
            await anyio.lowlevel.checkpoint_if_cancelled()
            assert self._group is not None  # noqa: S101 - it was entered
            slot = Slot(self._slots)
            slot.attempt()
            self._alive += 1
            self._group.start_soon(
                self._run_job, job, item.key, slot, name=f"heygen_async job {item.position}"
            )

    async def _run_job(self, job: Job, key: str, slot: Slot) -> None:
        try:
            await self._end(await self._run_attempts(job, key, slot))
        except NotStarted:
            if self._budget is not None:
                self._budget.settle(key, 0.0)
            await self._end_unstarted(key, job)
        finally:
            self._alive -= 1
            self._slots.notify()

    async def _run_attempts(self, job: Job, key: str, slot: Slot) -> Outcome:
        """Make a job, again as long as that may help and is allowed."""
        outcome = await self._run_attempt(job, key, slot)
        for _ in range(self._retry_failed):
            if not may_succeed_again(outcome) or not isinstance(outcome.error, SessionFailed):
                break
            await _clock.sleep(PAUSE_SECONDS)
            cost = 0.0 if self._budget is None else self._budget.cost(job)
            if self._stopped is not None or await self._wallet.has_lost_money(self._budget):
                break
            if self._budget is not None and not (self._budget.fits(cost) and self._reserve(key, job, cost)):
                break
            try:
                again = await self._run_attempt(make_again(job), key, Slot(self._slots))
            except NotStarted:
                if self._budget is not None:
                    self._budget.settle(key, 0.0)
                break
            outcome = replace(again, job=job, failures=(*outcome.failures, outcome.error))
        return outcome

    async def _run_attempt(self, job: Job, key: str, slot: Slot) -> Outcome:
        outcome = await JobRunner(self._context, job, key, slot).run()
        if self._budget is not None:
            self._budget.settle(key, cost_of(outcome, self._budget))
        return outcome

    def _reserve(self, key: str, job: Job, cost: float) -> bool:
        """Reserve what a job may cost; False when that is not left. A session that exists already is not refused."""
        if self._budget is None:
            return True
        if job.ref is None and not self._budget.fits(cost):
            return False
        self._budget.reserve(key, cost)
        return True

    async def _wait_for_room(self, *, is_new: bool, cost: float) -> None:
        """Wait until there is room for another outcome, and for a new job unless nothing more is created."""
        while self._backlog >= self._slots.limit.maximum or (is_new and not self._may_create(cost)):
            await self._slots.wait_change()

    def _may_create(self, cost: float) -> bool:
        if self._stopped is not None:
            return True  # it comes back as not started
        if self._budget is not None and not self._budget.fits(cost):
            # What is reserved may come back; what is spent does not.
            return not self._budget.may_fit(cost)
        return self._slots.are_open and self._slots.paused < self._max_paused

    @property
    def _backlog(self) -> int:
        """Jobs that are over for the service and not yet for the consumer."""
        return self._alive + len(self._outcomes) - self._slots.limit.taken - self._slots.paused


def _no_money(cost: float, budget: Budget | None) -> ClientStateError:
    currency = "" if budget is None else f" {budget.rate.currency}"
    return ClientStateError(
        f"Not started: it may cost {cost:g}{currency}, which is not left of max_spend.",
        hint="Run the job again with a larger max_spend.",
    )


def _check(max_in_flight: int, max_paused: int, on_exit: str) -> None:
    for name, number in (("max_in_flight", max_in_flight), ("max_paused", max_paused)):
        if number < 1:
            raise InvalidArgument(name, "must be at least 1")
    if on_exit not in ("detach", "stop"):
        raise InvalidArgument("on_exit", "must be 'detach' or 'stop'")
