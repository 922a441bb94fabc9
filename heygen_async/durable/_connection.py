"""
What an open batch holds: the engine, the repository, and, if this process works, its worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from .._batch.second_tries import Balance
from . import _database
from ._database import Access
from ._engine import Engine
from ._job_context import JobContext
from ._maintenance import Maintenance
from ._repository import Repository
from ._worker import BatchWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from .. import HeyGen
    from ._types import BatchSettings


class Connection:
    """
    An open batch.

    Attributes:
        access: Calls the repository, in threads.
        store: Reads and changes jobs, each method in one transaction.
        maintenance: Likewise, what users do with jobs that have ended or shall.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.access = Access()
        self.store = Repository(engine, name)
        self.maintenance = Maintenance(engine, name)
        self._engine = engine
        self._worker: BatchWorker | None = None

    @classmethod
    async def open(
        cls, url: str, name: str, settings: BatchSettings, heygen: HeyGen | None, changed: Callable[[], None]
    ) -> Connection:
        """
        Open a batch.

        Args:
            url: The database.
            name: The batch.
            settings: What the user asked for.
            heygen: The client to work with; None to do no work.
            changed: Called when a job may have changed.

        Raises:
            ConfigError: The database cannot be used.
            ClientStateError: This process works for a batch already, or runs DBOS itself.
            DatabaseUnavailable: The database went away just now.
        """
        if settings.output is not None:
            await settings.output.prepare()
        engine = await Access().ask(Engine.open, _database.parse(url))
        connection = cls(engine, name)
        try:
            await connection.access.ask(
                connection.store.open_queues, settings.max_in_flight, settings.poll, anew=heygen is not None
            )
            if settings.max_spend is not None and settings.rate is not None:
                balance = None
                if heygen is not None and settings.retry_failed:
                    balance = await Balance(heygen._core).read()
                await connection.access.ask(
                    connection.store.set_budget, settings.max_spend, settings.rate, balance
                )
            if heygen is not None:
                context = JobContext(connection.store, connection.access, heygen, settings)
                worker = BatchWorker(engine, context, changed)
                await worker.open()
                connection._worker = worker
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(engine.close)
            raise
        return connection

    @property
    def halted_by(self) -> Exception | None:
        """The error after which this process creates nothing more; None while it does."""
        return None if self._worker is None else self._worker.halted_by

    async def close(self) -> None:
        """Leave in good order; see `BatchWorker.close`."""
        with anyio.CancelScope(shield=True):
            if self._worker is not None:
                await self._worker.close()
            await anyio.to_thread.run_sync(self._engine.close)
