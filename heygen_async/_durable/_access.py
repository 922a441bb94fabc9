"""
The way from the loop to the database: in threads of anyio's, never in the loop's own executor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import anyio
from sqlalchemy import exc

from heygen_async import _clock

from ._database import problem
from ._words import DatabaseUnavailable

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
                self._note(error)
            else:
                self._note(None)
                return done
            await _clock.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _call(self, call: Callable[..., T], *args: object, **options: object) -> T:
        return await anyio.to_thread.run_sync(partial(call, *args, **options), limiter=self._threads)

    def _note(self, error: Exception | None) -> None:
        """Say once that the database went away, and once that it is back."""
        if error is not None and not self._is_away:
            log.warning("The database does not answer (%s); nothing is created until it does", problem(error))
        if error is None and self._is_away:
            log.warning("The database answers again")
        self._is_away = error is not None
