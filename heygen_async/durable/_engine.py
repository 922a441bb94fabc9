"""
DBOS, as far as it is used: one per database and process, on a loop of its own.

Its constructor knows one instance per process, the first; here each database gets one of its own, so that two batches
may use two databases. That needs names DBOS does not promise to keep: they are all in this file, and the extra pins
the releases they were tried with. What remains one for the process is DBOS's name for it (`GlobalParams`), so an
application that runs DBOS itself cannot work for a durable batch in the same process.

Nothing runs on the caller's loop: DBOS would replace that loop's executor. A step crosses over by `Engine.bridge`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

import backoff
import dbos._dbos as inside
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from dbos._core import decorate_step, decorate_workflow
from dbos._queue import queue_worker_thread
from dbos._utils import GlobalParams

from ..errors import ClientStateError
from . import _database
from ._locks import Locks, locks
from ._schema import APP, ENGINE_VERSION, METADATA, Place
from ._workflows import Workers

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar("T")
Step = Callable[[str, str, int, int], Awaitable[dict[str, object]]]
Work = Callable[[str, str, int, int], Awaitable[str]]

_THREADS: Final = 16
_GLANCE: Final = 0.02  # seconds
_MAKING_TABLES: Final = 4_736_216_001  # any number of our own


class _Quiet(DBOS):
    """DBOS without its one-per-process rule; it leaves the executor of whatever loop it is on alone."""

    @classmethod
    async def _configure_asyncio_thread_pool(cls) -> None:
        """Do nothing: the only loop it runs on has its executor from the start."""


class Engine:
    """
    One database, for all batches of this process that use it.

    Attributes:
        database: SQLAlchemy's engine.
        client: Queues, cancels, lists; needs no DBOS to run.
        executor: The name of this process at the engine, unique among all that ever were.
    """

    _open: ClassVar[dict[str, Engine]] = {}
    _guard: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, url: sa.URL) -> None:
        self.database = _database.connect(url)
        self._url = str(url)
        self._holders = 0
        self._workers = Workers()
        self._locks: Locks | None = None
        self._dbos: DBOS | None = None
        try:
            self._migrate()
            self.client = DBOSClient(
                system_database_engine=self.database,
                serializer=DBOSPortableJSONSerializer(),
                application_name=APP,
                retry_connection_errors=False,
            )
        except BaseException:
            self.database.dispose()
            raise

    # -- life --

    @classmethod
    def lease(cls, url: sa.URL) -> Engine:
        """Return the engine of a database, opened if it is not yet; give it back with `release`."""
        with cls._guard:
            engine = cls._open.get(str(url))
            if engine is None:
                engine = cls._open[str(url)] = cls(url)
            engine._holders += 1
            return engine

    def release(self) -> None:
        """Give the engine back; the last one closes it."""
        with self._guard:
            self._holders -= 1
            if self._holders:
                return
            del self._open[self._url]
            self._stop()
            self.client.destroy()
            self.database.dispose()

    def _migrate(self) -> None:
        # Its client never creates the engine's tables, and a process that only asks has nothing else that would.
        from dbos._sys_db import SystemDatabase

        with _hushed():
            tables = SystemDatabase.create(
                system_database_url=_stand_in(self.database),
                engine_kwargs={},
                engine=self.database,
                schema="dbos",
                serializer=DBOSPortableJSONSerializer(),
                executor_id=None,
            )
            tables.run_migrations()
        with self.database.begin() as connection:
            # Processes that start together must not both make them.
            is_sqlite = connection.dialect.name == "sqlite"
            connection.exec_driver_sql(
                "BEGIN IMMEDIATE" if is_sqlite else f"SELECT pg_advisory_xact_lock({_MAKING_TABLES})"
            )
            METADATA.create_all(connection)

    # -- working --

    def work(self, name: str, worker: Worker) -> None:
        """
        Start running work in this process, for one batch more.

        Raises:
            ClientStateError: This process works for that batch already, or runs DBOS itself.
        """
        with self._guard:
            if self._workers.has(name):
                raise ClientStateError(
                    f"This process already works for the batch {name!r} of this database.",
                    hint="Close that one first, or open the second with work=False.",
                )
            if self._dbos is None:
                self._start()
            self._take(self.lock_name(name, self.executor))
            self._workers.open(name, worker)

    @backoff.on_predicate(backoff.constant, interval=_GLANCE, logger=None)
    def _take(self, lock: str) -> bool:
        """Take a lock of our own, again if another process looks just now whether it is free."""
        return self.locks.take(lock)

    def rest(self, name: str) -> None:
        """Stop running work for a batch."""
        with self._guard:
            self._workers.close(name)
            self.locks.release(self.lock_name(name, self.executor))

    @property
    def executor(self) -> str:
        """The name of this process at the engine, unique among all that ever were."""
        return str(GlobalParams.executor_id)

    @property
    def locks(self) -> Locks:
        """Who is alive."""
        assert self._locks is not None  # noqa: S101 - there from the first work on
        return self._locks

    @staticmethod
    def lock_name(name: str, executor: str) -> str:
        """Return the name of the lock that says that an executor works for a batch."""
        return f"{executor}/{name}"

    def _start(self) -> None:
        if inside._dbos_global_instance is not None:
            raise ClientStateError(
                "This process runs an application of DBOS.",
                hint="Open the batch with work=False here, and let a process of its own do the work.",
            )
        in_use = any(engine._dbos is not None for engine in self._open.values())
        name = self.executor if in_use else f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        # A registry of its own; and no scheduler, which asks for the one instance of the process, and has no schedules.
        own: dict[str, object] = inside.__dict__
        before = {name: own[name] for name in ("_dbos_global_registry", "dynamic_scheduler_loop")}
        own.update(_dbos_global_registry=None, dynamic_scheduler_loop=_no_schedules)
        try:
            with _hushed():
                self._dbos = self._made(name)
                self._workers.register(self)
                # No queues but its own: each batch is listened to for as long as it is open.
                self._dbos._listening_queues = []
                # In a thread without a loop, so that it makes one of its own: this one may be anybody's.
                with ThreadPoolExecutor(1) as launcher:
                    launcher.submit(self._dbos._launch).result()
        finally:
            own.update(before)
        self._locks = locks(self.database)

    def _made(self, executor: str) -> DBOS:
        instance = object.__new__(_Quiet)
        instance.__init__(  # type: ignore[misc]
            config={
                "name": APP,
                "system_database_engine": self.database,
                "application_version": ENGINE_VERSION,
                "executor_id": executor,
                "max_executor_threads": _THREADS,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "CRITICAL",
            }
        )
        return instance

    def _stop(self) -> None:
        if self._dbos is not None:
            with _hushed():
                self._dbos._destroy(workflow_completion_timeout_sec=0)
            self._dbos = None
        if self._locks is not None:
            self._locks.close()
            self._locks = None

    # -- workflows --

    def step(self, name: str, work: Step, *, preemptible: bool = False) -> Step:
        """Return a step: what it returns is written down, and not done again."""
        return decorate_step(
            self._instance._registry,
            name=name,
            retries_allowed=False,
            interval_seconds=1.0,
            max_attempts=1,
            backoff_rate=1.0,
            preemptible=preemptible,
        )(work)

    def workflow(self, name: str, work: Work) -> None:
        """Register a workflow under its name, never to be dropped for having been begun often."""
        decorate_workflow(self._instance._registry, name, None)(work)

    @property
    def _instance(self) -> DBOS:
        assert self._dbos is not None  # noqa: S101 - workflows are registered when it is made
        return self._dbos

    def listen(self, queue: str, stop: threading.Event) -> threading.Thread:
        """Take work from a queue until told to stop."""
        listed = self.client.retrieve_queue(queue)
        bound = self._instance._sys_db.get_queue(queue)
        assert listed is not None and bound is not None  # noqa: S101, PT018 - registered just before
        thread = threading.Thread(
            target=queue_worker_thread,
            args=(stop, self._instance, bound),
            name=f"heygen-async {queue}",
            daemon=True,
        )
        thread.start()
        return thread

    def active(self) -> frozenset[str]:
        """Return the ids of the work that is under way in this process."""
        return frozenset(self._instance._active_workflows_set.activeList())

    def held(self, queues: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return what is claimed from these queues, as (work, executor, queue)."""
        found = self.client.list_workflows(
            status="PENDING", queue_name=list(queues), load_input=False, load_output=False
        )
        return [(one.workflow_id, str(one.executor_id), str(one.queue_name)) for one in found]

    def hand_back(self, work: str, executor: str, queue: str) -> bool:
        """Queue a piece of work again that an executor had and does no more; False when somebody has it already."""
        return bool(self.client._sys_db.reenqueue_for_recovery(work, [executor], queue))

    # -- crossing over --

    @staticmethod
    async def bridge(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Do something on the loop of a batch, from the engine's.

        Raises:
            asyncio.CancelledError: That loop is closed; what was begun is left for others.
        """
        begun = work()
        try:
            waiting = asyncio.run_coroutine_threadsafe(begun, loop)
        except RuntimeError:
            begun.close()
            raise asyncio.CancelledError from None
        return await asyncio.wrap_future(waiting)


class _hushed:  # noqa: N801 - reads as what it does
    """
    Keeps DBOS from writing to the console, and its logger as the user has it.

    What it would say is said by this package where it matters.
    """

    def __enter__(self) -> None:
        logger = logging.getLogger("dbos")
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())  # or it would add one for the console
        self._level = logger.level if logger.level != logging.NOTSET else logging.CRITICAL
        logger.setLevel(self._level)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("dbos").setLevel(self._level)


def _stand_in(database: sa.Engine) -> str:
    return "sqlite:///given" if database.dialect.name == "sqlite" else "postgresql://given"


def _no_schedules(_stop: threading.Event, _every: float) -> None:
    """End at once."""


class Worker(Protocol):
    """A batch that is open for work in this process."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    def begun(self, place: Place) -> None:
        """Note that something paid for may be under way, which must come to its checkpoint."""
        ...

    def checked(self, place: Place) -> None:
        """Note that it has come there."""
        ...

    async def do(self, step: str, place: Place) -> str:
        """Do a step and say what comes next."""
        ...
