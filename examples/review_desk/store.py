"""What survives a restart: one line for each session, in SQLite."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass

import aiosqlite

_TABLE = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, form TEXT NOT NULL, prompt TEXT NOT NULL, title TEXT,
    created REAL NOT NULL, since REAL NOT NULL, ref BLOB NOT NULL
) STRICT
"""


@dataclass(slots=True, kw_only=True)
class Record:
    """
    What the desk itself knows of a session; the rest is read from the service.

    Attributes:
        id: The session.
        form: The filled-in form that made it: the same form makes no second one.
        prompt: What was asked for.
        title: The service's name for it.
        created: When, in Unix seconds.
        since: When its present status was first seen, in Unix seconds.
        ref: What `heygen.sessions.restore` takes.
    """

    id: str
    form: str
    prompt: str
    title: str | None
    created: float
    since: float
    ref: bytes


class Store:
    """The records in a database file."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: str) -> AsyncGenerator[Store]:
        """Open the file, made when it is missing, for the time of the block."""
        async with aiosqlite.connect(path) as database:
            await database.execute("PRAGMA journal_mode = WAL")
            await database.execute(_TABLE)
            yield cls(database)

    async def all(self) -> list[Record]:
        """Return every record, the oldest first."""
        rows = await self._database.execute_fetchall(
            "SELECT id, form, prompt, title, created, since, ref FROM sessions ORDER BY created"
        )
        names = Record.__slots__
        return [Record(**dict(zip(names, row, strict=True))) for row in rows]

    async def save(self, record: Record) -> None:
        """Write a record, over the one of the same session."""
        await self._database.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(record)
        )
        await self._database.commit()


async def forget(record: Record) -> None:
    """Keep nothing: `Store.save` for a desk without a database."""
