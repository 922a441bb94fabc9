"""
`heygen.batch(...)`: many jobs, some of them in progress at a time, one outcome each.
"""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

import anyio.lowlevel

from .. import _clock
from .._resources.catalog import check_wallet
from ..errors import ClientStateError, InvalidArgument, OutOfCredit, SessionFailed
from .budget import most_cost, no_money, paid_seconds
from .concurrency import NotStarted, Slot, Slots
from .job import BatchEvent, Outcome
from .job_runner import EventHook, JobRunner
from .job_source import check_jobs, read_jobs
from .second_tries import EMPTY, PAUSE_SECONDS, Balance, make_again, may_succeed_again

if TYPE_CHECKING:
    from types import TracebackType

    from anyio.abc import TaskGroup

    from .._sessions.create import SessionFactory
    from .job import Job
    from .job_runner import LocalBatchOptions
    from .job_source import Item, Jobs


_CREDIT_FAILURES: Final = 3  # late, one after the other: then creating ends, whatever the wallet holds


class Batch:
    """
    A running batch; made by `heygen.batch`.

    Enter it with `async with`, then iterate: it yields an `Outcome` for each job, in the order in which they end.
    Outcomes that are not taken hold back new jobs, never those in progress. Leaving the block cancels what is not
    done: sessions go on at the service, or are stopped with `on_exit="stop"`; a create on its way is finished first,
    so that no session is lost.
    """

    def __init__(self, factory: SessionFactory, jobs: Jobs, options: LocalBatchOptions) -> None:
        check_jobs(jobs)
        self._jobs: Jobs = jobs
        self._options: LocalBatchOptions = options
        self._factory: SessionFactory = factory
        self._slots: Slots = Slots(options.max_in_flight, longest_pace=factory.core.api.retry.max_retry_after)
        self._events: EventHook = EventHook(options, self._slots.stop)
        self._wallet: Balance = Balance(factory.core)
        self._credit_failures: int = 0
        self._outcomes: deque[Outcome] = deque()
        self._alive: int = 0
        self._is_fed: bool = False
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
        return self._options.budget.spent

    @property
    def reserved(self) -> float:
        """What the jobs under way may still cost; 0 without a budget."""
        return self._options.budget.reserved

    def stop_creating(self) -> None:
        """
        Create nothing more; what is in flight goes on.

        The other jobs come back with `not_started`. May be called at any time, any number of times.
        """
        self._slots.stop(ClientStateError("Not started: creating was stopped.", hint="Run the job again."))

    # -- life --

    async def __aenter__(self) -> Self:
        if self._group is not None:
            raise ClientStateError("A batch is run once.", hint="Make a new one with heygen.batch(...).")
        core, options = self._factory.core, self._options
        core.api.bind()
        core.scheduler.trackers.tracing.record_batch(self)
        if options.folder is not None:
            await options.folder.prepare()
        if options.min_balance is not None:
            await check_wallet(core, options.min_balance)
        if options.retry_failed:
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

    # -- in --

    async def _feed(self) -> None:
        """Start a job whenever there is room for it, until there are no more."""
        folder = self._options.folder
        name_of = str if folder is None else folder.name_of
        try:
            async with aclosing(read_jobs(self._jobs, name_of=name_of)) as items:
                async for item in items:
                    await self._start_job(item)
        except Exception as error:  # noqa: BLE001 - it is raised at the end of the iteration
            self._input_error = error
        finally:
            self._is_fed = True
            self._slots.notify()

    async def _start_job(self, item: Item) -> None:
        job, key, error = item.job, item.key, item.error
        cost = 0.0
        if job is not None and error is None:
            try:
                cost = most_cost(job, self._options.budget.rate)
            except InvalidArgument as unknown:
                error = unknown
        while self._is_backlogged:
            await self._slots.wait_change()
        if job is None or error is not None:
            await self._end(Outcome(key=key, job=job, error=error))
        elif (reason := await self._wait_for_room(job, key, cost)) is not None:
            await self._end(Outcome(key=key, job=job, error=reason, not_started=True))
        else:
            # A cancel that arrives together with the notification is not raised by the wait.
            await anyio.lowlevel.checkpoint_if_cancelled()
            assert self._group is not None  # noqa: S101 - it was entered
            self._alive += 1
            slot = Slot(self._slots)
            slot.take()
            self._group.start_soon(self._run_job, job, key, slot, name=f"heygen_async job {item.position}")

    async def _wait_for_room(self, job: Job, key: str, cost: float) -> Exception | None:
        """Wait until a job may begin, and reserve its money; return why it may not begin any more."""
        budget, slots = self._options.budget, self._slots
        while slots.stopped_by is None:
            is_free = not slots.waiting and slots.limit.is_open(_clock.now())
            if is_free and slots.paused < self._options.max_paused and not self._is_backlogged:
                # A session that exists already is not refused.
                if budget.reserve(key, cost, anyway=job.ref is not None):
                    return None
                if not budget.may_fit(cost):  # what is reserved may come back; what is spent does not
                    return no_money(cost, budget.rate)
            await slots.wait_change()
        return slots.stopped_by

    @property
    def _is_backlogged(self) -> bool:
        """Whether so many jobs are over for the service and not yet for the consumer that no more may end."""
        limit = self._slots.limit
        return self._alive + len(self._outcomes) - limit.taken - self._slots.paused >= limit.maximum

    # -- a job --

    async def _run_job(self, job: Job, key: str, slot: Slot) -> None:
        try:
            await self._end(await self._run_attempts(job, key, slot))
        except NotStarted:
            await self._end(Outcome(key=key, job=job, error=self._slots.stopped_by, not_started=True))
        finally:
            self._alive -= 1
            self._slots.notify()

    async def _run_attempts(self, job: Job, key: str, slot: Slot) -> Outcome:
        """Make a job, again as long as that may help and is allowed."""
        budget = self._options.budget
        outcome = await self._run_attempt(job, key, slot)
        for _ in range(self._options.retry_failed):
            if not may_succeed_again(outcome) or not isinstance(outcome.error, SessionFailed):
                break
            await _clock.sleep(PAUSE_SECONDS)
            if self._slots.stopped_by is not None:
                break
            known = budget.spent + budget.reserved
            if budget.rate is not None and await self._wallet.fell_by_more_than(known):
                break
            if not budget.reserve(key, most_cost(job, budget.rate)):
                break
            try:
                again = await self._run_attempt(make_again(job), key, Slot(self._slots))
            except NotStarted:
                break
            outcome = replace(again, job=job, failures=(*outcome.failures, outcome.error))
        return outcome

    async def _run_attempt(self, job: Job, key: str, slot: Slot) -> Outcome:
        try:
            outcome = await JobRunner(self._factory, self._options, self._events, job, key, slot).run()
        except NotStarted:
            self._options.budget.settle(key, 0.0)
            raise
        seconds = paid_seconds(video=outcome.video, error=outcome.error, session_id=outcome.session_id)
        self._options.budget.settle(key, seconds)
        return outcome

    async def _end(self, outcome: Outcome) -> None:
        if outcome.error is not None and await self._is_reason_to_stop(outcome.error):
            self._slots.stop(outcome.error)
        if outcome.ok:
            self._credit_failures = 0
        key, job, session_id = outcome.key, outcome.job, outcome.session_id
        ended = BatchEvent(kind="ended", key=key, job=job, session_id=session_id, outcome=outcome)
        await self._events.emit(ended)
        self._outcomes.append(outcome)
        self._slots.notify()

    async def _is_reason_to_stop(self, error: Exception) -> bool:
        if not isinstance(error, self._options.stop_on):
            return False
        if isinstance(error, OutOfCredit):
            # Seen as a passing throttle with credit left, too (contract.md, Errors): the wallet knows more.
            self._credit_failures += 1
            return self._credit_failures >= _CREDIT_FAILURES or (await self._wallet.read() or 0.0) < EMPTY
        return True
