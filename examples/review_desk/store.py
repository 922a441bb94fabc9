"""What survives a restart, and what several processes of one desk share: a row for each session, in SQLite."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, fields
from typing import Final, Literal

import aiosqlite

# The columns with what they hold before anybody has written it: a file of an older desk gets those it lacks. `change`
# counts the writes: a row whose `change` is greater than what a reader has seen was written since.
_COLUMNS: Final = {
    "id": "TEXT PRIMARY KEY",
    "form": "TEXT NOT NULL DEFAULT ''",
    "prompt": "TEXT NOT NULL DEFAULT ''",
    "name": "TEXT NOT NULL DEFAULT ''",
    "choices": "TEXT NOT NULL DEFAULT ''",
    "created": "REAL NOT NULL DEFAULT 0",
    "title": "TEXT",
    "since": "REAL NOT NULL DEFAULT 0",
    "ref": "BLOB NOT NULL DEFAULT x''",
    "answers": "INTEGER NOT NULL DEFAULT 0",
    "approved_by": "TEXT",
    "approved": "REAL",
    "stopped": "INTEGER NOT NULL DEFAULT 0",
    "place": "TEXT NOT NULL DEFAULT 'list'",
    "change": "INTEGER NOT NULL DEFAULT 1",
}
_NEXT: Final = "(SELECT coalesce(max(change), 0) + 1 FROM sessions)"
_CLAIM_SECONDS: Final = 300.0  # a process that has claimed a form and died frees it after that

Place = Literal["list", "archive", "deleted"]


@dataclass(slots=True, kw_only=True, frozen=True)
class Record:
    """
    What the desk itself knows of a session; the rest is read from the service.

    Attributes:
        id: The session.
        form: The filled-in form that made it: the same form makes no second one.
        prompt: What was asked for.
        name: The title its maker gave it, or nothing.
        choices: Avatar, voice and style, in words.
        created: When, in Unix seconds.
        title: The service's name for it.
        since: When its present status was first seen, in Unix seconds.
        ref: What `heygen.sessions.restore` takes.
        answers: How many messages and approvals were sent from this desk.
        approved_by: Who approved the storyboard last.
        approved: When, in Unix seconds.
        stopped: Whether its run was stopped from this desk.
        place: Where it is shown.
    """

    id: str
    form: str
    prompt: str
    name: str = ""
    choices: str = ""
    created: float
    title: str | None = None
    since: float
    ref: bytes
    answers: int = 0
    approved_by: str | None = None
    approved: float | None = None
    stopped: bool = False
    place: Place = "list"


# All that is put into statements below; values are always bound.
_FIELDS: Final = tuple(field.name for field in fields(Record))
_NAMES: Final = ", ".join(_FIELDS)


class Store:
    """The records in a database file; what several processes write is merged field by field."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self._database = database
        self._seen = 0

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: str) -> AsyncGenerator[Store]:
        """Open the file, made when it is missing, for the time of the block."""
        async with aiosqlite.connect(path, isolation_level=None) as database:
            await database.execute("PRAGMA busy_timeout = 10000")
            await database.execute("PRAGMA journal_mode = WAL")
            await database.execute("BEGIN IMMEDIATE")  # of processes that start together one makes the tables
            await _make_tables(database)
            await database.execute("COMMIT")
            yield cls(database)

    async def changes(self) -> list[Record]:
        """Return the records written since the last call, all at first; the oldest first."""
        rows = await self._database.execute_fetchall(
            f"SELECT change, {_NAMES} FROM sessions WHERE change > ? ORDER BY created",  # noqa: S608
            (self._seen,),
        )
        self._seen = max((row[0] for row in rows), default=self._seen)
        return [Record(**dict(zip(_FIELDS, row[1:], strict=True))) for row in rows]

    async def add(self, record: Record) -> None:
        """Write a new record."""
        marks = ", ".join("?" * len(_FIELDS))
        statement = f"INSERT INTO sessions ({_NAMES}, change) VALUES ({marks}, {_NEXT})"  # noqa: S608
        await self._database.execute(statement, astuple(record))

    async def update(self, session_id: str, **values: object) -> None:
        """Write some fields of a record."""
        marks = ", ".join(f"{name} = ?" for name in values)
        statement = f"UPDATE sessions SET {marks}, change = {_NEXT} WHERE id = ?"  # noqa: S608
        await self._database.execute(statement, (*values.values(), session_id))

    async def claim(self, form: str) -> bool:
        """Return whether the session of a form is for this process to make: for one of all only."""
        now = time.time()
        cursor = await self._database.execute(
            "INSERT INTO forms VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at WHERE at < ?",
            (form, now, now - _CLAIM_SECONDS),
        )
        return cursor.rowcount > 0

    async def release(self, form: str) -> None:
        """Let a form be sent again: its session was not made."""
        await self._database.execute("DELETE FROM forms WHERE form = ?", (form,))


async def _make_tables(database: aiosqlite.Connection) -> None:
    await database.execute(
        "CREATE TABLE IF NOT EXISTS forms (form TEXT PRIMARY KEY, at REAL NOT NULL) STRICT"
    )
    await database.execute(f"CREATE TABLE IF NOT EXISTS sessions (id {_COLUMNS['id']}) STRICT")
    there = {row[1] for row in await database.execute_fetchall("PRAGMA table_info(sessions)")}
    for name, kind in _COLUMNS.items():
        if name not in there:
            await database.execute(f"ALTER TABLE sessions ADD COLUMN {name} {kind}")
    await database.execute("CREATE INDEX IF NOT EXISTS changes ON sessions (change)")
