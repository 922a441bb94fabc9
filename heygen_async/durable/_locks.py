"""
Who is alive: a lock for each executor and batch, which the system lets go of when the process dies, however it dies.

PostgreSQL has advisory locks, held by a connection; SQLite is on one machine, where a byte of a file is locked.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import sys
import threading
from contextlib import suppress
from typing import IO, Protocol

import sqlalchemy as sa
from sqlalchemy import exc

from . import _database


class Locks(Protocol):
    """Named locks of this process on one database."""

    def take(self, name: str) -> bool:
        """Take a lock, and return whether it was free or ours."""
        ...

    def release(self, name: str) -> None:
        """Let go of a lock."""
        ...

    def keep(self) -> None:
        """See that what was taken is still held, and take again what was lost."""
        ...

    def close(self) -> None:
        """Let go of all."""
        ...


def open_locks(engine: sa.Engine) -> Locks:
    """Return the locks of a database."""
    if engine.dialect.name == "sqlite":
        return FileLocks(f"{engine.url.database}.lock")
    return AdvisoryLocks(engine)


def number(name: str, bits: int) -> int:
    """Return the number of a lock, so many bits long."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> (64 - bits)


class AdvisoryLocks:
    """Locks of one connection to PostgreSQL; not through a pooler that lends connections by transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        # Without a pool, which would lend the connection to others, locks and all.
        self._engine = _database.postgres(engine.url, poolclass=sa.NullPool)
        self._guard = threading.Lock()
        self._wanted: set[str] = set()
        self._held: set[str] = set()  # by the connection there is
        self._connection: sa.Connection | None = None

    def take(self, name: str) -> bool:
        """Take a lock; see `Locks`."""
        with self._guard:
            is_ours = self._take(name)
            if is_ours:
                self._wanted.add(name)
            return is_ours

    def release(self, name: str) -> None:
        """Let go of a lock; see `Locks`."""
        with self._guard:
            self._wanted.discard(name)
            self._held.discard(name)
            self._ask("pg_advisory_unlock", name)

    def keep(self) -> None:
        """Take again what was lost, as often as it takes: others try it now and then; see `Locks`."""
        with self._guard:
            with suppress(exc.SQLAlchemyError):
                self._query("select 1")
            for name in self._wanted - self._held:
                self._take(name)

    def close(self) -> None:
        """Let go of all; see `Locks`."""
        with self._guard:
            self._wanted.clear()
            self._drop()

    def _take(self, name: str) -> bool:
        is_ours = self._ask("pg_try_advisory_lock", name)
        if is_ours:
            self._held.add(name)
        return is_ours

    def _ask(self, function: str, name: str) -> bool:
        return bool(self._query(f"select {function}(:number)", number=number("heygen:" + name, 63)))

    def _query(self, query: str, **values: object) -> object:
        try:
            return self._open().execute(sa.text(query), values).scalar()
        except exc.SQLAlchemyError:
            self._drop()
            raise

    def _open(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    def _drop(self) -> None:
        self._held.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(exc.SQLAlchemyError):  # it may be broken
                connection.close()


class FileLocks:
    """Locks of single bytes of one file, which is kept open: closing it anywhere would let go of all."""

    def __init__(self, path: str) -> None:
        self._guard = threading.Lock()
        self._file: IO[bytes] = pathlib.Path(path).open("a+b")  # noqa: SIM115 - closed by close()

    def take(self, name: str) -> bool:
        """Take a lock; see `Locks`."""
        with self._guard:
            try:
                _lock(self._file, number(name, 30))
            except OSError:
                return False
            return True

    def release(self, name: str) -> None:
        """Let go of a lock; see `Locks`."""
        with self._guard:
            _unlock(self._file, number(name, 30))

    def keep(self) -> None:
        """Do nothing: these are not lost."""

    def close(self) -> None:
        """Let go of all; see `Locks`."""
        with self._guard:
            self._file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes], byte: int) -> None:
        os.lseek(file.fileno(), byte, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: IO[bytes], byte: int) -> None:
        os.lseek(file.fileno(), byte, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes], byte: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)

    def _unlock(file: IO[bytes], byte: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)
