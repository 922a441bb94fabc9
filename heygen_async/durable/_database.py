"""
The connection: which databases are taken, how each is opened, and what "cannot be reached" means.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import backoff
import sqlalchemy as sa
from sqlalchemy import event, exc

from .. import _clock
from .._redact import clean
from ..errors import ConfigError
from ._types import DatabaseUnavailable

# A connection whose other end is gone is known to be so within a minute.
_KEEPALIVES: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_POSTGRES_OPTIONS: Final = {
    "connect_timeout": 10,
    "application_name": "heygen-async",
    "keepalives": 1,
    **_KEEPALIVES,
}
_POOL: Final = 10
_PATIENCE: Final = 30.0  # seconds
_OWN_UNIXEPOCH: Final = (3, 42)  # from here on SQLite's knows fractions of a second
_POSTGRES: Final = ("postgresql", "postgres", "postgresql+psycopg")
_HINT: Final = "Give sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE."


def parse(url: str) -> sa.URL:
    """
    Return the address of a database, the same for the same database.

    Raises:
        ConfigError: It is not one that can be used.
    """
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        # Without its cause, which may show the address and its password.
        raise ConfigError("The database's address cannot be read.", hint=_HINT) from None
    if parsed.drivername == "sqlite":
        if parsed.database in (None, "", ":memory:") or "mode=memory" in url:
            raise ConfigError("A database in memory is lost with the process.", hint=_HINT)
        return parsed.set(database=str(Path(str(parsed.database)).absolute()))
    if parsed.drivername in _POSTGRES:
        return _postgres_url(parsed)
    raise ConfigError(f"A {clean(parsed.drivername)} database cannot be used.", hint=_HINT)


def _postgres_url(url: sa.URL) -> sa.URL:
    if "@" in (url.host or ""):  # the rest of a password, which messages would show as the host
        raise ConfigError(
            "The database's address has more than one @ before the host.",
            hint="Write an @ of the password as %40.",
        )
    password = url.query.get("password")
    if isinstance(password, str):  # to where it is never shown
        url = url.difference_update_query(["password"]).set(password=password)
    return url.set(drivername="postgresql+psycopg")


def connect(url: sa.URL) -> sa.Engine:
    """
    Open a database and see that it answers.

    Raises:
        ConfigError: It does not.
    """
    engine = _sqlite(url) if url.drivername == "sqlite" else _postgres(url)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("select 1"))
    except (exc.SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise ConfigError(
            f"The database {_show(url)} cannot be opened: {problem(error)}",
            hint="See that it exists, that it runs, and that this user may create tables in it. Nothing was created.",
        ) from error
    return engine


def _show(url: sa.URL) -> str:
    """Return an address without what may be secret: the password, and the query, which may hold others."""
    return url.set(query={}).render_as_string(hide_password=True)


def problem(error: BaseException) -> str:
    """Return the message of the driver, without the statement."""
    return clean(str(getattr(error, "orig", None) or error).strip().split("\n")[0])


def postgres(url: sa.URL, **options: Any) -> sa.Engine:
    """Return an engine for a server, either end of whose connections learns within a minute that the other is gone."""
    engine = sa.create_engine(url, hide_parameters=True, connect_args=dict(_POSTGRES_OPTIONS), **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # By default a server takes two hours to see that a machine was switched off, and keeps its locks so long. Not
        # among the options of the connection, which poolers refuse.
        with connection.cursor() as cursor:
            for name, value in _KEEPALIVES.items():
                cursor.execute(f"SET tcp_{name} = {value}")
        connection.commit()

    return engine


def _postgres(url: sa.URL) -> sa.Engine:
    return postgres(url, pool_size=_POOL, max_overflow=_POOL, pool_pre_ping=True)


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=_POOL, max_overflow=_POOL, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = "IMMEDIATE"  # writers take turns from their first statement on
        for setting in ("busy_timeout=30000", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute("PRAGMA " + setting)
        _log_ahead(connection)
        if sqlite3.sqlite_version_info < _OWN_UNIXEPOCH:
            # The engine goes by Python's version in asking for milliseconds, and gets NULL from an older SQLite.
            connection.create_function("unixepoch", 1, _seconds)

    return engine


def _is_not_locked(error: Exception) -> bool:
    return "locked" not in str(error)


@backoff.on_exception(
    backoff.constant,
    sqlite3.OperationalError,
    giveup=_is_not_locked,
    max_time=_PATIENCE,
    interval=0.05,
    logger=None,
)
def _log_ahead(connection: sqlite3.Connection) -> None:
    # Of processes that start together on a new file all but one are refused here, whatever their busy_timeout.
    connection.execute("PRAGMA journal_mode=WAL")


def _seconds(_modifier: str) -> float:
    return _clock.wall()


T = TypeVar("T")

log = logging.getLogger("heygen_async")

_THREADS: Final = 8

_FIRST_WAIT: Final = 0.25

_LONGEST_WAIT: Final = 5.0


class Access:
    """Calls what blocks; bound to the loop it is made on."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(_THREADS)
        self._is_away = False

    async def ask(self, call: Callable[..., T], *args: object, **options: object) -> T:
        """
        Call once, for a user who waits.

        Raises:
            DatabaseUnavailable: The database does not answer.
        """
        try:
            return await self._call(call, *args, **options)
        except (exc.SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(f"The database does not answer: {problem(error)}") from error

    async def persist(self, call: Callable[..., T], *args: object, **options: object) -> T:
        """Call until the database has taken it: the work stands still meanwhile, and goes on by itself."""
        wait = _FIRST_WAIT
        while True:
            try:
                done = await self._call(call, *args, **options)
            except (exc.DBAPIError, exc.TimeoutError, OSError) as error:
                if isinstance(error, exc.IntegrityError | exc.ProgrammingError | exc.DataError):
                    raise
                self._log_availability(error)
            else:
                self._log_availability(None)
                return done
            await _clock.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _call(self, call: Callable[..., T], *args: object, **options: object) -> T:
        return await anyio.to_thread.run_sync(partial(call, *args, **options), limiter=self._threads)

    def _log_availability(self, error: Exception | None) -> None:
        """Say once that the database went away, and once that it is back."""
        if error is not None and not self._is_away:
            log.warning("The database does not answer (%s); nothing is created until it does", problem(error))
        if error is None and self._is_away:
            log.warning("The database answers again")
        self._is_away = error is not None
