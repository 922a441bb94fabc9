"""
One poll for all processes: workers of one account meet on an engine they have already.

    from heygen_async.backplane import RedisBackplane

    heygen = HeyGen(backplane=RedisBackplane("redis://localhost"))

Of all processes that watch a session one polls it, and the others are fed what it reads. A webhook that reaches one
wakes the watchers of all. While the engine is away each process polls for itself. What travels is sealed, but not
secret: the engine's other users may read what your sessions say, though not whose they are.
"""

from .._polling.backplane import Backplane as Backplane
from ._base import BaseBackplane as BaseBackplane
from ._engine import BackplaneConnection as BackplaneConnection
from ._postgres import PostgresBackplane as PostgresBackplane
from ._redis import RedisBackplane as RedisBackplane

__all__ = ["Backplane", "BackplaneConnection", "BaseBackplane", "PostgresBackplane", "RedisBackplane"]
