"""
DBOS, by its public names only: a client for every batch that is open, and one worker for the process.

A client submits, reads and answers, for any number of databases, also beside an application of DBOS. Work needs
DBOS itself, of which a process has one, and whose queues are named before it is launched: so a process works for one
batch at a time.

Nothing runs on the caller's loop, whose executor DBOS would replace: it is launched in a thread without a loop, and
makes one of its own. A step crosses over to the caller's loop, see `_workflows`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import ClassVar, Final

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy import exc

from ..errors import ClientStateError
from . import _database
from ._locks import Locks, open_locks
from ._schema import APP, ENGINE_VERSION, METADATA, Claim

log = logging.getLogger("heygen_async")

_THREADS: Final = 16
# Without it DBOS closes its loop while its queues may still claim work for it.
_QUEUES_STOP: Final = 1  # seconds
_CREATING_TABLES: Final = 4_736_216_001  # the number of a lock, any of our own


class Engine:
    """
    The engine on one database, for one open batch.

    Attributes:
        database: SQLAlchemy's engine.
        client: Queues, cancels, lists; needs no DBOS to run.
        executor: The name of this process at the engine while it works, unique among all that ever were.
    """

    _guard: ClassVar[threading.Lock] = threading.Lock()
    _working: ClassVar[Engine | None] = None

    def __init__(self, database: sa.Engine) -> None:
        self.database = database
        self.client = DBOSClient(
            system_database_engine=database,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APP,
            retry_connection_errors=False,
        )
        self.executor = ""
        self._queues: Sequence[str] = ()
        self._locks: Locks | None = None

    @classmethod
    def open(cls, url: sa.URL) -> Engine:
        """
        Open a database, and create what tables it lacks.

        Raises:
            ConfigError: It cannot be opened.
        """
        database = _database.connect(url)
        try:
            with _quiet():
                DBOS.migrate(url.render_as_string(hide_password=False))
            _create_tables(database)
            return cls(database)
        except BaseException:
            database.dispose()
            raise

    def close(self) -> None:
        """Stop working, if it works, and close the database."""
        self.stop()
        self.client.destroy()
        self.database.dispose()

    # -- working --

    def start(self, queues: Sequence[str], register: Callable[[], None]) -> None:
        """
        Take work from these queues from now on. Called from a thread without a loop.

        Args:
            queues: The names of queues that are registered.
            register: Registers the workflows, once DBOS is there and before it is launched.

        Raises:
            ClientStateError: This process works for a batch already, or runs DBOS itself.
        """
        with self._guard:
            if Engine._working is not None:
                raise ClientStateError(
                    "This process works for a batch already.",
                    hint="Run another process for this one, close the other, or open it with work=False.",
                )
            self.executor = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
            self._queues = queues
            with _quiet():
                self._launch(register)
            Engine._working = self

    def _launch(self, register: Callable[[], None]) -> None:
        DBOS(
            config={
                "name": APP,
                "system_database_engine": self.database,
                "application_version": ENGINE_VERSION,
                "executor_id": self.executor,
                "max_executor_threads": _THREADS,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "CRITICAL",
            }
        )
        if self.executor != DBOS.executor_id:  # where there is one, the constructor returns that
            raise ClientStateError(
                "This process runs an application of DBOS.",
                hint="Run another process for the work, and open the batch with work=False here.",
            )
        try:
            # Before it owns any work: who has no lock is dead to others.
            self._locks = open_locks(self.database)
            self._locks.take(self.executor)
            register()
            DBOS.listen_queues(self._queues)
            DBOS.launch()
        except BaseException:
            DBOS.destroy()
            self._release_locks()
            raise

    def stop(self) -> None:
        """Take no more work, end what is under way, and queue it again for others."""
        with self._guard:
            if Engine._working is not self:
                return
            try:
                with _quiet():
                    DBOS.destroy(workflow_completion_timeout_sec=_QUEUES_STOP)
                self.requeue([claim for claim in self.claims() if claim.executor == self.executor])
            except (exc.SQLAlchemyError, OSError) as error:
                # Others recover it, for the lock is free.
                log.debug("Work could not be queued again: %s", type(error).__name__)
            finally:
                Engine._working = None
                self._release_locks()

    def _release_locks(self) -> None:
        locks, self._locks = self._locks, None
        if locks is not None:
            locks.close()

    @property
    def locks(self) -> Locks:
        """The locks that show which executors live; only while this process works."""
        assert self._locks is not None  # noqa: S101 - opened by `start`
        return self._locks

    # -- claims --

    def claims(self) -> list[Claim]:
        """Return what is claimed from the queues of this engine, by whatever process."""
        found = self.client.list_workflows(
            status="PENDING", queue_name=list(self._queues), load_input=False, load_output=False
        )
        return [Claim(one.workflow_id, str(one.executor_id), str(one.queue_name)) for one in found]

    def requeue(self, claims: Collection[Claim]) -> Iterable[Claim]:
        """Queue claimed work again, and return it; what its executor does not have any more is left alone."""
        if not claims:
            return ()
        still = set(claims).intersection(self.claims())
        for queue in {claim.queue for claim in still}:
            workflow_ids = [claim.workflow_id for claim in still if claim.queue == queue]
            self.client.resume_workflows(workflow_ids, queue_name=queue)
        return sorted(still)


def _create_tables(database: sa.Engine) -> None:
    with database.begin() as connection:
        # Processes that start together must not both create them.
        is_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE" if is_sqlite else f"SELECT pg_advisory_xact_lock({_CREATING_TABLES})"
        )
        METADATA.create_all(connection)


@contextmanager
def _quiet() -> Generator[None]:
    """
    Keep DBOS from writing to the console, and its logger as the user has it.

    What its records say is logged by this package where it matters.
    """
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # or DBOS adds one for the console
    level = logger.level if logger.level != logging.NOTSET else logging.CRITICAL
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
