"""
A backplane on Redis: messages by publish and subscribe, leases as keys that expire.
"""

# The library leaves some of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from .._redact import Secret
from ..errors import ConfigError, InvalidArgument
from ..errors._arguments import check_type
from ._base import BaseBackplane

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from ._engine import BackplaneConnection

_CONNECT = 2.0  # seconds

# A key's value is "owner number", the number being the engine's time: it goes on rising when all keys are lost.
_ACQUIRE: Final = """
local now = redis.call('TIME')
local number = string.format('%d%06d', now[1], now[2])
local numbers = {}
for place, key in ipairs(KEYS) do
  local lease = redis.call('GET', key)
  if not lease then
    lease = ARGV[1] .. ' ' .. number
    redis.call('SET', key, lease, 'PX', ARGV[2])
  elseif string.sub(lease, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
    redis.call('PEXPIRE', key, ARGV[2])
  else
    lease = ' 0'
  end
  numbers[place] = string.match(lease, ' (%d+)$') or '0'
end
return numbers
"""
_RELEASE: Final = """
for _, key in ipairs(KEYS) do
  local lease = redis.call('GET', key)
  if lease and string.sub(lease, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
    redis.call('DEL', key)
  end
end
"""


class RedisBackplane(BaseBackplane):
    """
    A backplane on Redis (6 or later) or what speaks like it. Needs `pip install heygen-async[redis]`.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, `rediss://` with TLS, or `unix://path`.
        secret: See `BaseBackplane`.
        lease: See `BaseBackplane`.

    Raises:
        ConfigError: The extra is not installed.
        InvalidArgument: An address that is none; see `BaseBackplane`.
    """

    def __init__(self, url: str, *, secret: str | bytes | None = None, lease: float = 10.0) -> None:
        super().__init__(secret=secret, lease=lease)
        check_type(str, "an address as text", url=url)
        try:
            from redis.asyncio.connection import parse_url
        except ImportError as error:
            raise ConfigError(
                "RedisBackplane needs the extra redis.", hint="Run `pip install heygen-async[redis]`."
            ) from error
        try:
            parse_url(url)
        except ValueError:
            raise InvalidArgument("url", "is no address of a Redis, such as redis://localhost:6379") from None
        self._url = Secret(url)

    @asynccontextmanager
    async def connect(self, channel: str) -> AsyncGenerator[BackplaneConnection]:
        """
        Connect, by one connection for what is sent and one for what is received.

        Args:
            channel: See `BaseBackplane.connect`.
        """
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # Without tries of its own: a connection that comes back by itself has lost messages, and does not say so.
        async with (
            Redis.from_url(
                str.__str__(self._url), socket_connect_timeout=_CONNECT, retry=Retry(NoBackoff(), 0)
            ) as client,
            client.pubsub(ignore_subscribe_messages=True) as messages,
        ):
            await messages.subscribe(channel)
            yield _RedisConnection(client, messages, channel)


class _RedisConnection:
    def __init__(self, client: Redis, messages: PubSub, channel: str) -> None:
        self._client = client
        self._messages = messages
        self._channel = channel
        self._acquire = client.register_script(_ACQUIRE)
        self._release = client.register_script(_RELEASE)

    async def publish(self, message: bytes, /) -> None:
        await self._client.publish(self._channel, message)

    async def receive(self) -> bytes:
        while True:
            found = await self._messages.get_message(timeout=None)
            if found is not None and isinstance(data := found["data"], bytes):
                return data

    async def acquire(self, names: Sequence[str], owner: str, seconds: float, /) -> Sequence[int]:
        keys = self._keys(names)
        return [int(number) for number in await self._acquire(keys, (owner, int(seconds * 1000)))]

    async def release(self, names: Sequence[str], owner: str, /) -> None:
        await self._release(self._keys(names), (owner,))

    def _keys(self, names: Sequence[str]) -> list[str]:
        # All in one slot of a cluster: a script must find its keys together.
        return [f"{{{self._channel}}}:{name}" for name in names]
