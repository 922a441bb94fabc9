"""
A backplane on PostgreSQL: messages by LISTEN and NOTIFY, leases as rows of an unlogged table.
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from .._redact import Secret
from ..errors import ConfigError, InvalidArgument
from ..errors._arguments import check_type
from ._base import BaseBackplane

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from psycopg import AsyncConnection, Notify

    from ._engine import BackplaneConnection

_CONNECT = 2  # seconds
_PIECE = 7_800  # characters: a NOTIFY carries less than 8,000
_UNFINISHED = 16  # messages of which pieces are kept: anybody may send the first piece of one
_LOCK = 0x6865796765  # any number: who makes the table makes it alone

_CREATE: Final = """
CREATE UNLOGGED TABLE IF NOT EXISTS heygen_async_leases (
    channel text NOT NULL, name text NOT NULL, owner text NOT NULL, number bigint NOT NULL,
    until timestamptz NOT NULL, PRIMARY KEY (channel, name)
)
"""
# The number is the engine's time: it goes on rising when the table is lost, as an unlogged one is in a crash.
_ACQUIRE: Final = """
WITH wanted AS (SELECT unnest(%(names)s::text[]) AS name),
kept AS (
    UPDATE heygen_async_leases SET until = clock_timestamp() + %(seconds)s * interval '1 second'
    WHERE channel = %(channel)s AND name IN (SELECT name FROM wanted) AND owner = %(owner)s
    RETURNING name, number
),
taken AS (
    INSERT INTO heygen_async_leases AS lease
    SELECT %(channel)s, name, %(owner)s, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
        clock_timestamp() + %(seconds)s * interval '1 second'
    FROM wanted
    WHERE NOT EXISTS (
        SELECT FROM heygen_async_leases AS other
        WHERE other.channel = %(channel)s AND other.name = wanted.name
        AND (other.owner = %(owner)s OR other.until > clock_timestamp())
    )
    ORDER BY name
    ON CONFLICT (channel, name) DO UPDATE
    SET owner = excluded.owner, number = greatest(excluded.number, lease.number + 1), until = excluded.until
    WHERE lease.until <= clock_timestamp()
    RETURNING name, number
)
SELECT name, number FROM kept UNION ALL SELECT name, number FROM taken
"""
_RELEASE: Final = """
DELETE FROM heygen_async_leases
WHERE channel = %(channel)s AND owner = %(owner)s AND name = ANY(%(names)s::text[])
"""
_TIDY: Final = """
DELETE FROM heygen_async_leases WHERE until < clock_timestamp() - interval '1 hour'
"""


class PostgresBackplane(BaseBackplane):
    """
    A backplane on PostgreSQL (12 or later). Needs `pip install heygen-async[postgres]`.

    It makes one table, named heygen_async_leases, and takes two connections for each client. They must reach the server
    itself, or a pooler in session mode: LISTEN does not go through others.

    Args:
        dsn: `postgresql://[user[:password]@]host[:port]/database`, or `key=value` pairs.
        secret: See `BaseBackplane`.
        lease: See `BaseBackplane`.

    Raises:
        ConfigError: The extra is not installed.
        InvalidArgument: An address that is none; see `BaseBackplane`.
    """

    def __init__(self, dsn: str, *, secret: str | bytes | None = None, lease: float = 10.0) -> None:
        super().__init__(secret=secret, lease=lease)
        check_type(str, "an address as text", dsn=dsn)
        try:
            from psycopg import ProgrammingError
            from psycopg.conninfo import make_conninfo
        except ImportError as error:
            raise ConfigError(
                "PostgresBackplane needs the extra postgres.",
                hint="Run `pip install heygen-async[postgres]`.",
            ) from error
        try:
            # Where a machine vanishes without a word, the server forgets it soon.
            self._dsn = Secret(
                make_conninfo(dsn, keepalives_idle=5, keepalives_interval=2, connect_timeout=_CONNECT)
            )
        except ProgrammingError:
            raise InvalidArgument(
                "dsn", "is no address of a database, such as postgresql://localhost/name"
            ) from None

    @asynccontextmanager
    async def connect(self, channel: str) -> AsyncGenerator[BackplaneConnection]:
        """
        Connect, by one connection for what is sent and one for what is received.

        Args:
            channel: See `BaseBackplane.connect`.
        """
        from psycopg import AsyncConnection, sql

        dsn = str.__str__(self._dsn)
        async with (
            await AsyncConnection.connect(dsn, autocommit=True) as listener,
            await AsyncConnection.connect(dsn, autocommit=True) as work,
        ):
            async with work.transaction():
                await work.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                await work.execute(_CREATE)
            await work.execute(_TIDY)
            await listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield _PostgresConnection(work, listener, channel)


class _PostgresConnection:
    def __init__(self, work: AsyncConnection, listener: AsyncConnection, channel: str) -> None:
        self._work = work
        self._listener = listener
        self._notifications: deque[Notify] = deque()
        self._channel = channel
        self._pieces: dict[str, list[str]] = {}

    async def publish(self, message: bytes, /) -> None:
        text, name = b64encode(message).decode(), secrets.token_hex(4)
        pieces = [text[start : start + _PIECE] for start in range(0, len(text) or 1, _PIECE)]
        # Each says how many follow. Those of one transaction arrive in order, and together.
        payloads = [f"{name}:{len(pieces) - place}:{piece}" for place, piece in enumerate(pieces, start=1)]
        await self._work.execute(
            "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", (self._channel, payloads)
        )

    async def receive(self) -> bytes:
        while True:
            while not self._notifications:
                async for notification in self._listener.notifies(
                    stop_after=1
                ):  # and what came together with it
                    self._notifications.append(notification)
            name, _, rest = self._notifications.popleft().payload.partition(":")
            left, _, piece = rest.partition(":")
            self._pieces.setdefault(name, []).append(piece)
            if left == "0":
                return _decode("".join(self._pieces.pop(name)))
            if len(self._pieces) > _UNFINISHED:
                del self._pieces[next(iter(self._pieces))]

    async def acquire(self, names: Sequence[str], owner: str, seconds: float, /) -> Sequence[int]:
        values = {"channel": self._channel, "names": list(names), "owner": owner, "seconds": seconds}
        async with self._work.cursor() as cursor:
            await cursor.execute(_ACQUIRE, values)
            numbers: dict[str, int] = dict(await cursor.fetchall())
        return [numbers.get(name, 0) for name in names]

    async def release(self, names: Sequence[str], owner: str, /) -> None:
        values = {"channel": self._channel, "names": list(names), "owner": owner}
        await self._work.execute(_RELEASE, values)


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""  # of a stranger; what is empty has no seal
